"""Keeps a worker from forking while one of its threads talks to Valkey.

A fork takes along the one thread that asks for it; a lock that another one holds just then stays locked in the child
for ever. Python's own locks are looked after, OpenSSL's are not: a child that was forked during a TLS handshake of its
parent's never came out of its own, and the task that it had taken stood still.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Whoever forks while it holds the lock itself knows what it does.
_TALKING = threading.RLock()
os.register_at_fork(before=_TALKING.acquire, after_in_parent=_TALKING.release, after_in_child=_TALKING.release)


@contextmanager
def no_fork_meanwhile() -> Iterator[None]:
    """A fork waits for the end of the block, which must be short: the worker takes no message while it waits."""
    with _TALKING:
        yield
