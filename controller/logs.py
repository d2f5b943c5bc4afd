"""The operator's logs on stdout, as the service's are: JSON lines with `event`, `logger`, `level`, `timestamp`.

On a terminal the same lines are written for people. What must not stand in a line is `contract.log_masks`'.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from contract.log_masks import Mask

# kopf tells every event that it hands on, aiohttp every probe.
_CHATTY = ("kopf", "aiohttp.access")
_FOR_PEOPLE = "%(asctime)s %(levelname)-7s %(message)s  [%(name)s]"


def set_up_logs(level: str) -> None:
    """Sends every logger through one formatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_ConsoleFormatter(_FOR_PEOPLE) if sys.stdout.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _MASK(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `exception` is the traceback, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line = {"event": record.getMessage(), "logger": record.name, "level": record.levelname, "timestamp": at}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _MASK(json.dumps(line, separators=(",", ":")))


_MASK = Mask()
