"""Progress as people see it: a line per step with how long it took, and a sign of life while a long one runs.

Written to standard error, so that what a command answers stays alone on standard output. Steps may run at the same
time in several threads.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT_S = 10.0
TTY_HEARTBEAT_S = 1.0
TITLE_WIDTH = 44
DETAIL_WIDTH = 70

_write_lock = threading.Lock()


class Step:
    """A running step; `note` is told at its end, `detail` in its heartbeats."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.note = ""
        self.detail = ""
        self.started = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started


def format_line(mark: str, title: str, note: str, elapsed_s: float) -> str:
    """One line of progress: `  ✓ Debian packages ........ all there      0.1 s`."""
    dots = "." * max(2, TITLE_WIDTH - len(title))
    return f"  {mark} {title} {dots} {note:<28} {format_seconds(elapsed_s):>8}"


def format_seconds(elapsed_s: float) -> str:
    """`0.3 s`, `59.9 s`, `7 min 04 s`."""
    if elapsed_s < 60:
        return f"{elapsed_s:.1f} s"
    minutes, seconds = divmod(int(elapsed_s), 60)
    return f"{minutes} min {seconds:02d} s"


def say(line: str = "") -> None:
    """Print one line to people."""
    _write(line + "\n")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show a step from its start to its end; an exception marks it as failed and goes on."""
    current = Step(title)
    done = threading.Event()
    heartbeat = threading.Thread(target=_show_heartbeats, args=(current, done), daemon=True)
    heartbeat.start()
    mark = "✗"
    try:
        yield current
        mark = "✓"
    except BaseException:
        current.note = "failed"
        raise
    finally:
        done.set()
        heartbeat.join()
        say(format_line(mark, title, current.note, current.elapsed_s()))


def _show_heartbeats(current: Step, done: threading.Event) -> None:
    is_tty = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    while not done.wait(TTY_HEARTBEAT_S if is_tty else HEARTBEAT_S):
        detail = current.detail.strip()[:DETAIL_WIDTH]
        line = f"  … {current.title}: {format_seconds(current.elapsed_s())}  {detail}".rstrip()
        _write(f"\r\x1b[K{line[:110]}" if is_tty else f"{line}\n")


def _write(text: str) -> None:
    with _write_lock:
        if not text.startswith("\r") and sys.stderr.isatty():
            text = "\r\x1b[K" + text
        sys.stderr.write(text)
        sys.stderr.flush()
