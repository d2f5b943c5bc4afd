"""A worker forks no child while one of its threads talks to Valkey or writes a line."""

import logging
import os
import select
import signal
import threading
import time
from typing import Final

import pytest

from service.worker.forking import no_fork_meanwhile

LONGER_THAN_A_PIPE: Final = 1_000_000


def test_a_fork_waits_for_a_thread_that_talks() -> None:
    talking, said = threading.Event(), list[str]()

    def talk() -> None:
        with no_fork_meanwhile():
            talking.set()
            time.sleep(0.2)
            said.append("goodbye")

    thread = threading.Thread(target=talk)
    thread.start()
    talking.wait(5)
    child = os.fork()
    if child == 0:
        # The lock is nobody's there: a child may talk itself.
        with no_fork_meanwhile():
            os._exit(0 if said == ["goodbye"] else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_writes_its_log_whatever_line_was_being_written_when_it_was_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line of another thread is longer than the pipe, which nobody reads until the fork was asked for."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as lines, os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(stdout)])
        writer = threading.Thread(target=logging.warning, args=("w" * LONGER_THAN_A_PIPE,))
        writer.start()
        assert select.select([lines], [], [], 5)[0]
        reader = threading.Timer(0.2, lambda: [lines.readline() for _ in range(2)])
        reader.start()
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            logging.warning("the child's")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        writer.join()
        reader.join()
