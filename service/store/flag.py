"""Where a process knows the flag from: the document in Valkey, a mounted file, the environment; kept in memory.

A change is heard on FLAG_CHANNEL at once, and read again every few seconds in case it was not. Which of several
documents counts is `service.store.flag_document`'s, deciding for a user `service.domain.flag`'s.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

import msgspec
import structlog

from contract import flag as contract_flag
from contract import keys
from contract.flag import FlagAck, FlagDocument
from contract.metrics import COHORT_OFF, COHORT_ON
from service import metrics
from service.domain import flag as rules
from service.logs import LogLevel
from service.settings import Settings
from service.store.client import VALKEY_FAULTS, Valkey, end_tasks
from service.store.flag_document import NewestFlag

log = structlog.get_logger("unified_registry")

REREAD_S: Final = 2.0
RETRY_S: Final = 0.5
ACK_RENEW_S: Final = 30.0
# In a full Valkey, too: a rollback waits for it.
_ACKNOWLEDGE: Final = """#!lua flags=allow-oom
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""

# For whom the call under way asked: "on" or "off"; the figures of /rpc are kept by it.
cohort: ContextVar[str | None] = ContextVar("cohort", default=None)


class FlagSource:
    """The flag in force in this process. `start` needs a running loop; before it the environment alone counts.

    `log_level`: what follows the document's level; None: nothing does.
    """

    def __init__(self, valkey: Valkey, settings: Settings, log_level: LogLevel | None = None) -> None:
        self._valkey = valkey
        self._settings = settings
        self._log_level = log_level
        self._newest = NewestFlag(FlagDocument(revision=0, enabled=settings.flag_enabled), settings.flag_file)
        metrics.begin_revision(self.revision)
        self._acknowledged: tuple[int, float] = (-1, 0.0)
        self._following: asyncio.Task[None] | None = None

    @property
    def document(self) -> FlagDocument:
        return self._newest.document

    @property
    def revision(self) -> int:
        return self.document.revision

    @property
    def routes(self) -> Mapping[str, str]:
        """Task type → queue, as the operator wants it."""
        return self.document.routes

    @property
    def is_debug(self) -> bool:
        """Whether registry decisions are logged in detail."""
        return self.document.debug or self._settings.registry_debug

    @property
    def needs_company(self) -> bool:
        """Whether `is_on` can depend on the company, so that it is worth looking up."""
        return rules.needs_company(self.document)

    def is_on(self, user_id: str, company_id: str | None = None) -> bool:
        """Whether the unified registry is on for a user. `company_id`: the first authorised one, None where unknown."""
        document = self.document
        answer = rules.is_on(document, user_id, company_id)
        of_user = COHORT_ON if answer else COHORT_OFF
        cohort.set(of_user)
        metrics.FLAG_DECISIONS.count(of_user, document.revision)
        return answer

    async def start(self) -> None:
        """Reads what there is and follows it from then on. Never fails: Valkey may come later."""
        self._read_file()
        try:
            async with asyncio.timeout(REREAD_S):
                await self.reread()
        except (*VALKEY_FAULTS, TimeoutError) as fault:
            log.warning("flag_not_read", error=str(fault), revision=self.revision)
        self._following = asyncio.create_task(self._follow(), name="flag")

    async def stop(self) -> None:
        if self._following is None:
            return
        await end_tasks(self._following)
        try:
            async with asyncio.timeout(1.0):
                await self._valkey.hdel(keys.FLAG_ACKS, self._ack_field)
        except (*VALKEY_FAULTS, TimeoutError) as fault:
            # It ends by its age: the operator counts only acknowledgements that are renewed.
            log.warning("flag_acknowledgement_left", error=str(fault))

    async def _follow(self) -> None:
        while True:
            try:
                async with self._valkey.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(keys.FLAG_CHANNEL)
                    while True:
                        await self.reread()
                        self._read_file()
                        await subscription.get_message(timeout=REREAD_S)
            except VALKEY_FAULTS as fault:
                log.warning("flag_not_followed", error=str(fault), revision=self.revision)
            except Exception:
                log.exception("flag_not_followed", revision=self.revision)
            self._read_file()
            await asyncio.sleep(RETRY_S)

    async def reread(self) -> None:
        """Reads the document in Valkey now, and acknowledges what is in force. Raises redis-py's errors."""
        await self._read_valkey()
        await self._acknowledge()

    async def read_once(self) -> None:
        """For a command that asks and ends: reads what there is, acknowledges nothing. Raises redis-py's errors."""
        self._read_file()
        await self._read_valkey()

    async def _read_valkey(self) -> None:
        if self._newest.take(await self._valkey.get(keys.FLAG), "valkey"):
            self._changed("valkey")

    def _read_file(self) -> None:
        if self._newest.take_file():
            self._changed("file")

    def _changed(self, source: str) -> None:
        document = self.document
        metrics.FLAG_REVISION.set(document.revision)
        metrics.begin_revision(document.revision)
        log.info("flag_changed", source=source, revision=document.revision, enabled=document.enabled)
        if self._log_level is not None:
            self._log_level.follow(document.log_level)

    @property
    def _ack_field(self) -> str:
        return contract_flag.ack_field(self._settings.pod_name, os.getpid())

    async def _acknowledge(self) -> None:
        revision, at = self._acknowledged
        now = time.time()
        if revision == self.revision and now - at < ACK_RENEW_S:
            return
        ack = FlagAck(revision=self.revision, pod=self._settings.pod_name, seen_at=now)
        await self._valkey.eval(_ACKNOWLEDGE, 1, keys.FLAG_ACKS, self._ack_field, msgspec.json.encode(ack))
        self._acknowledged = (self.revision, now)
