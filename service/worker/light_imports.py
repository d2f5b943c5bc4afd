"""Lets Celery be imported without what we never use of it: half of a worker's start-up was importing.

Several workers start at once when tasks come, on the same cores, so each tenth of a second of one counts several times.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# kombu offers YAML as a serializer; only JSON is accepted here. billiard prefers cffi, whose C parser takes 12 MB and
# a tenth of a second, for one system call that it makes with ctypes as well.
UNUSED = ("yaml", "cffi")


@contextmanager
def without_unused() -> Iterator[None]:
    """Within it, a library that asks for one of UNUSED learns that it is not installed, and garbage is not looked for.

    What is loaded stays: a collection meanwhile walks through all of it and finds nothing.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in UNUSED if name not in modules]
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        modules.update(dict.fromkeys(hidden))
        import billiard.util  # noqa: F401
        import kombu.serialization  # noqa: F401
    finally:
        for name in hidden:
            del modules[name]
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
