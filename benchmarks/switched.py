"""The service with figures that are switched by signals while it runs: `python -m benchmarks.switched`.

There is no such switch in the service. Off, its instruments do nothing; often, each does its work TIMES times, so that
what it costs stands out from a noisy machine.
"""

import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from service.__main__ import main
from service.tallies import CallTally, Tally

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
    (Tally, "count"),
    (CallTally, "count"),
]
_REAL: Final[list[Work]] = [getattr(owner, name) for owner, name in _INSTRUMENTS]


def switch(instruments: list[Work]) -> Callable[..., None]:
    """A handler of a signal, which puts these in place."""

    def apply(*_: object) -> None:
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
    signal.signal(COUNT, switch(_REAL))
    signal.signal(COUNT_NOT, switch([do_nothing] * len(_REAL)))
    signal.signal(COUNT_OFTEN, switch([do_often(real) for real in _REAL]))
    sys.exit(main([]))
