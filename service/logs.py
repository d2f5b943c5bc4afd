"""Structured logs on stdout: JSON lines, upper-case levels, an event name and fields, one shape in every part.

On a terminal the same lines are written for people (LOG_FORMAT says otherwise). The level can change while a process
runs: `LogLevel` follows what the flag document says. What must not stand in a line is `contract.log_masks`'.
"""

import json
import logging
import sys
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from contract.flag import LOG_LEVELS
from contract.log_masks import Mask, build_trace

log = structlog.get_logger("logs")

# Two lines a task (received, succeeded): `task_started` and `task_ended` say it, with who and how.
_CHATTY: Final = ("celery.worker.strategy", "celery.app.trace")
# Below WARNING they write what goes over the wire: headers, prompts, documents.
_WIRE: Final = (
    "openai",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "hpack",
    "urllib3",
    "requests",
    "aiohttp",
    "google",
    "grpc",
)


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


class _MaskedFormatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, mask: Mask, **options: Any) -> None:
        super().__init__(**options)
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


class _JsonFormatter(_MaskedFormatter):
    """Our own lines are ready when they come here; only those of other libraries go through the processors."""

    def format(self, record: logging.LogRecord) -> str:
        if hasattr(record, "_logger") and isinstance(record.msg, dict):
            return self._mask(_to_json(record.msg))
        return super().format(record)


def _build_json(mask: Mask) -> logging.Formatter:
    return _JsonFormatter(
        mask,
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
    )


def _build_console(mask: Mask) -> logging.Formatter:
    """Colours only where a terminal shows them; a traceback as Python writes it, without the values of variables."""
    has_colors = sys.stdout.isatty()
    styles = structlog.dev.ConsoleRenderer.get_default_level_styles(has_colors)
    return _MaskedFormatter(
        mask,
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


def set_up_logs(level: str, log_format: str = "auto", secrets: Iterable[str] = ()) -> None:
    """Sends structlog and the standard library's loggers through one formatter. Safe to call again.

    `log_format`: `json`, `console`, or `auto`: for people on a terminal, else JSON. `secrets`: what is masked wherever
    it stands.
    """
    mask = Mask(secrets)
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
    handler.setFormatter(_build_console(mask) if is_for_people else _build_json(mask))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    for name in ("uvicorn", "uvicorn.error", "celery"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # One line a request would bury the rest; the figures are in /metrics.
    logging.getLogger("uvicorn.access").disabled = True


def set_level(level: str) -> None:
    """The least level that this process writes, of all loggers."""
    number = logging.getLevelNamesMapping()[level]
    logging.getLogger().setLevel(number)
    quiet = max(number, logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else quiet)
    for name in _WIRE:
        logging.getLogger(name).setLevel(quiet)


def log_unexpected(logger: str, event: str, fault: BaseException, **fields: Any) -> None:
    """An error that nobody foresaw, at work on what somebody sent: where it came from, and its text at DEBUG alone."""
    with_texts = logging.getLogger(logger).isEnabledFor(logging.DEBUG)
    structlog.get_logger(logger).error(event, exception=build_trace(fault, with_texts=with_texts), **fields)


class LogLevel:
    """The level of this process: `default`, the environment's, unless a flag document names another."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._level = default

    def follow(self, wanted: str | None) -> None:
        """`wanted` None, or a word that is no level: the default."""
        level = wanted if wanted in LOG_LEVELS else self._default
        if level != self._level:
            before, self._level = self._level, level
            set_level(level)
            log.warning("log_level_changed", level_before=before, level_now=level)
