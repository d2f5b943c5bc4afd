"""The operator's lines: the service's shape, and nothing in them that must not stand there."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from controller.logs import set_up_logs


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """They are as they were afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_an_object_with_the_services_names(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("INFO")
    log = logging.getLogger("controller.handlers")
    log.debug("nothing of this")
    try:
        raise ValueError("of redis://:se/cret@host:6379")
    except ValueError:
        log.exception("flag of %s not read", "a/b")
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("flag of a/b not read", "ERROR", "controller.handlers")
    assert line["timestamp"].endswith("Z")
    assert "ValueError: of redis://***@host:6379" in line["exception"]


def test_on_a_terminal_it_is_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    set_up_logs("INFO")
    logging.getLogger("controller").warning("Authorization: Bearer abcdefgh is refused")
    assert "WARNING Authorization: Bearer *** is refused  [controller]" in capsys.readouterr().out
