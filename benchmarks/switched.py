"""The service with figures that are switched by signals while it runs: `python -m benchmarks.switched`.

There is no such switch in the service. Off, prometheus_client's instruments do nothing, and a call is not counted;
often, each instrument does its work TIMES times, so that what it costs stands out from a noisy machine.
"""

import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from service import metrics
from service.__main__ import main

COUNT: Final = signal.SIGUSR1
COUNT_NOT: Final = signal.SIGUSR2
COUNT_OFTEN: Final = signal.SIGHUP
TIMES: Final = 20

Work = Callable[..., None]
_INSTRUMENTS: Final[list[tuple[Any, str]]] = [
    (Counter, "inc"),
    (Gauge, "inc"),
    (Gauge, "dec"),
    (Gauge, "set"),
    (Histogram, "observe"),
]
_REAL: Final[list[Work]] = [getattr(owner, name) for owner, name in _INSTRUMENTS]
_COUNT_CALL: Final = metrics.count_call


def switch(count_call: Work, instruments: list[Work]) -> Callable[..., None]:
    """A handler of a signal, which puts these in place."""
    module: Any = metrics

    def apply(*_: object) -> None:
        module.count_call = count_call
        for (owner, name), work in zip(_INSTRUMENTS, instruments, strict=True):
            setattr(owner, name, work)

    return apply


def do_often(real: Work) -> Work:
    def work(*arguments: Any) -> None:
        for _ in range(TIMES):
            real(*arguments)

    return work


def do_nothing(*_: object) -> None:
    """In place of what counts."""


if __name__ == "__main__":
    signal.signal(COUNT, switch(_COUNT_CALL, _REAL))
    signal.signal(COUNT_NOT, switch(do_nothing, [do_nothing] * len(_REAL)))
    signal.signal(COUNT_OFTEN, switch(_COUNT_CALL, [do_often(real) for real in _REAL]))
    sys.exit(main([]))
