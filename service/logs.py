"""Structured logs: JSON lines on stdout, upper-case levels, an event name and fields, one shape in every part."""

import json
import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger


def _upper_level(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["level"] = str(event.get("level", "info")).upper()
    return event


def _to_json(event: EventDict, **_: Any) -> str:
    """msgspec takes a third of json's time, and a line is written at each registration."""
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (TypeError, ValueError):
        # What msgspec refuses, a lone surrogate among others: no line is lost for that.
        return json.dumps(event, default=repr, skipkeys=True)


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    _upper_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Our own lines are ready when they come here; only those of other libraries go through the processors."""

    def format(self, record: logging.LogRecord) -> str:
        if hasattr(record, "_logger") and isinstance(record.msg, dict):
            return _to_json(record.msg)
        return super().format(record)


def set_up_logs(level: str) -> None:
    """Sends structlog and the standard library's loggers through one JSON formatter. Safe to call again."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Nobody reads from which line of code a line came, and finding it takes a fifth of the time (logging's own advice).
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "celery"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # One line a request would bury the rest; the figures are in /metrics.
    logging.getLogger("uvicorn.access").disabled = True
