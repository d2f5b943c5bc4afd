"""Structured logs on stdout: JSON lines, upper-case levels, an event name and fields, one shape in every part.

On a terminal the same lines are written for people (LOG_FORMAT says otherwise).
"""

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


class _JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """Our own lines are ready when they come here; only those of other libraries go through the processors."""

    def format(self, record: logging.LogRecord) -> str:
        if hasattr(record, "_logger") and isinstance(record.msg, dict):
            return _to_json(record.msg)
        return super().format(record)


def _build_json() -> logging.Formatter:
    return _JsonFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
    )


def _build_console() -> logging.Formatter:
    """Colours only where a terminal shows them; a traceback as Python writes it, without the values of variables."""
    has_colors = sys.stdout.isatty()
    styles = structlog.dev.ConsoleRenderer.get_default_level_styles(has_colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=has_colors,
                level_styles={level.upper(): style for level, style in styles.items()},
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
    )


def set_up_logs(level: str, log_format: str = "auto") -> None:
    """Sends structlog and the standard library's loggers through one formatter. Safe to call again.

    `log_format`: `json`, `console`, or `auto`: for people on a terminal, else JSON.
    """
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
    is_for_people = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())
    handler.setFormatter(_build_console() if is_for_people else _build_json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "celery"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # One line a request would bury the rest; the figures are in /metrics.
    logging.getLogger("uvicorn.access").disabled = True
