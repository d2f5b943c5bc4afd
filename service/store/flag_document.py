"""The newest flag document that a process has heard of, whichever way it came: the rule, without the following.

The newest revision wins, and one that is known is never given up: not when Valkey is gone, not for an older one that
somebody wrote back.
"""

from pathlib import Path

import msgspec
import structlog

from contract import flag
from contract.flag import FlagDocument

log = structlog.get_logger("unified_registry")


class NewestFlag:
    """`document` is what counts until another one is taken. `file`: where one is mounted in a pod."""

    def __init__(self, document: FlagDocument, file: str) -> None:
        self.document = document
        self._file = Path(file)
        self._file_mtime_ns: int | None = None
        self._is_told = False

    def take(self, raw: bytes | str | None, source: str) -> bool:
        """Whether it is newer than what was known. None: there is none."""
        if raw is None:
            return False
        try:
            document = flag.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            log.error("flag_unreadable", source=source, error=str(fault), revision=self.document.revision)
            return False
        if self._is_told and document.revision <= self.document.revision:
            return False
        self.document, self._is_told = document, True
        return True

    def take_file(self) -> bool:
        """The mounted one, where it has changed since."""
        try:
            mtime_ns = self._file.stat().st_mtime_ns
            if mtime_ns == self._file_mtime_ns:
                return False
            raw = self._file.read_bytes()
        except OSError:
            # No file is mounted: the usual case outside a cluster.
            return False
        self._file_mtime_ns = mtime_ns
        return self.take(raw, "file")
