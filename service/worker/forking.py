"""Keeps a worker from forking while one of its threads talks to Valkey or writes a line of its log.

A fork takes along the one thread that asks for it; a lock that another one holds just then stays locked in the child
for ever. Python looks after locks of its own, but neither after OpenSSL's nor after that of stdout's buffer: a child
that was forked during a TLS handshake of its parent's never came out of its own, and the task that it had taken stood
still.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Whoever forks while it holds the lock itself knows what it does.
_TALKING = threading.RLock()
_HELD: Final[list[logging.Handler]] = []


@contextmanager
def no_fork_meanwhile() -> Iterator[None]:
    """A fork waits for the end of the block, which must be short: the worker takes no message while it waits."""
    with _TALKING:
        yield


def _hold_logs() -> None:
    _HELD[:] = logging.getLogger().handlers
    for handler in _HELD:
        handler.acquire()


def _release_logs() -> None:
    for handler in _HELD:
        handler.release()


# What is registered last is held first: who talks to Valkey may write a line meanwhile.
# In the child logging makes its handlers' locks anew.
os.register_at_fork(before=_hold_logs, after_in_parent=_release_logs)
os.register_at_fork(before=_TALKING.acquire, after_in_parent=_TALKING.release, after_in_child=_TALKING.release)
