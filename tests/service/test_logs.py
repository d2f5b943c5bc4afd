"""Log lines as operators search them."""

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
