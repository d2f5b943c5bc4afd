"""The level of the logs of a worker or of beat, as the flag document says it, without a restart.

The container's first process reads the document every few seconds, from Valkey and from the mounted file; the processes
that it forks see the level in a byte that they share with it.
"""

import mmap
import threading
import time
from typing import Final

import redis
import structlog

from contract import keys
from contract.flag import LOG_LEVELS, FlagDocument
from service.logs import LogLevel
from service.settings import Settings
from service.store.flag_document import NewestFlag
from service.worker.forking import no_fork_meanwhile
from service.worker.plain_client import connect_plainly

log = structlog.get_logger("pinnokio.worker")

REREAD_S: Final = 2.0
LOOK_S: Final = 0.5
# In the byte: a level's place in LOG_LEVELS, counted from 1.
_AS_IN_ENVIRONMENT: Final = 0


class LevelFollower:
    """Made before the parent forks, started once it has; each child calls `start_in_child`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._newest = NewestFlag(FlagDocument(), settings.flag_file)
        self._shared = mmap.mmap(-1, 1)
        self._level = LogLevel(settings.log_level)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log-level", daemon=True)

    def read_file(self) -> None:
        """The mounted file's level, at once."""
        if self._newest.take_file():
            self._apply()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def start_in_child(self) -> None:
        self._level.follow(self._read_shared())
        threading.Thread(target=self._look, name="log-level", daemon=True).start()

    def _follow(self) -> None:
        with connect_plainly(self._settings) as valkey:
            while True:
                try:
                    is_newer = self._newest.take(self._read(valkey), "valkey") or self._newest.take_file()
                    if is_newer:
                        self._apply()
                except Exception:
                    # The edge of the thread: whatever it was, the level stays as it is until the next look.
                    log.exception("log_level_not_read")
                if self._stopped.wait(REREAD_S):
                    return

    def _read(self, valkey: redis.Redis) -> bytes | None:
        """None: there is none, or Valkey is away, which others say."""
        try:
            with no_fork_meanwhile():
                raw: bytes | None = valkey.get(keys.FLAG)  # type: ignore[assignment]
        except (redis.RedisError, OSError):
            return None
        return raw

    def _apply(self) -> None:
        wanted = self._newest.document.log_level
        self._shared[0] = LOG_LEVELS.index(wanted) + 1 if wanted in LOG_LEVELS else _AS_IN_ENVIRONMENT
        self._level.follow(wanted)

    def _look(self) -> None:
        while True:
            # No event of the parent's: its lock may have been held when the process was forked.
            time.sleep(LOOK_S)
            self._level.follow(self._read_shared())

    def _read_shared(self) -> str | None:
        place = self._shared[0]
        return None if place == _AS_IN_ENVIRONMENT else LOG_LEVELS[place - 1]
