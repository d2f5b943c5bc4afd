"""Log lines as operators search them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from service.logs import set_up_logs


@pytest.fixture
def _own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before


@pytest.mark.usefixtures("_own_handlers")
def test_one_json_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("INFO")
    log = structlog.get_logger("registry_wrapper")
    log.error("unified_registry_fallback", user_id="é", odd=object, text="\ud800")
    log.info("a %s", "b")
    logging.getLogger("foreign").warning("from %s", "elsewhere", extra={})
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("rpc_failed")
    log.debug("below the level")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["unified_registry_fallback", "a b", "from elsewhere", "rpc_failed"]
    assert [line["level"] for line in lines] == ["ERROR", "INFO", "WARNING", "ERROR"]
    assert lines[0]["logger"] == "registry_wrapper"
    assert "ValueError: boom" in lines[3]["exception"]
    assert all(line["timestamp"] for line in lines)


@pytest.mark.usefixtures("_own_handlers")
def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("INFO", "console")
    structlog.get_logger("registry_wrapper").error("unified_registry_fallback", user_id="u-1")
    logging.getLogger("foreign").warning("from %s", "elsewhere")
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger("rpc").exception("rpc_failed")
    ours, foreign, failed, *traceback = capsys.readouterr().out.splitlines()
    assert "ERROR" in ours
    assert "unified_registry_fallback" in ours
    assert "user_id=u-1" in ours
    assert "from elsewhere" in foreign
    assert "rpc_failed" in failed
    assert traceback[-1] == "ValueError: boom"
    assert "\x1b" not in ours, "colours are for terminals"


@pytest.mark.parametrize(
    ("log_format", "is_terminal", "is_json"),
    [("auto", False, True), ("auto", True, False), ("json", True, True), ("console", False, False)],
)
@pytest.mark.usefixtures("_own_handlers")
def test_people_are_written_for_on_a_terminal(
    log_format: str, is_terminal: bool, is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stdout", written)
    set_up_logs("INFO", log_format)
    structlog.get_logger("registry").warning("told")
    assert written.getvalue().startswith("{") is is_json
    assert "told" in written.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.usefixtures("_own_handlers")
def test_a_secret_is_masked_whoever_writes_it(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("INFO", log_format, ["a-secret-of-this-test"])
    structlog.get_logger("rpc").warning("failed", error="with a-secret-of-this-test")
    logging.getLogger("foreign").warning("also with %s", "a-secret-of-this-test")
    ours, foreign = capsys.readouterr().out.splitlines()
    assert "with ***" in ours
    assert "also with ***" in foreign
