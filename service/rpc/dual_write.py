"""The unified write beside a legacy one: at most half a second, its failure logged and counted and never the caller's.

Also who it is for: the flag, decided per user at each call (contract.md, "The flag").
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import structlog
from redis.exceptions import RedisError

from service import metrics
from service.rpc.user_companies import UserCompanies
from service.store.flag import FlagSource
from service.store.unified import UnifiedRegistry

log = structlog.get_logger("registry_wrapper")

UNIFIED_LIMIT_S: Final = 0.5
# What is kept in step with the legacy registry, as operators filter for it: `sync`, `sync.*ChromaDB`.
USERS: Final = "users"
CHROMA: Final = "ChromaDB"
# What is written beside the legacy registry, by the names that count and log it.
OPERATIONS: Final = (
    "register_user",
    "unregister_session",
    "register_collection_user",
    "claim_collection",
    "heartbeat_collection",
    "unregister_collection_user",
)
# Rare enough to be told without REGISTRY_DEBUG.
_ALWAYS_TOLD: Final = frozenset({"register_collection_user", "unregister_collection_user"})

Answer = TypeVar("Answer")


class DualWrite:
    """Decides for a user and carries the unified part out."""

    def __init__(self, flag: FlagSource, unified: UnifiedRegistry, companies: UserCompanies) -> None:
        self._flag = flag
        self._unified = unified
        self.companies = companies

    async def is_on(self, user_id: str) -> bool:
        """Whether the unified registry is on for the user.

        Where the user's company matters and cannot be read, the decision is made without it.
        """
        company_id = None
        if self._flag.needs_company:
            try:
                async with asyncio.timeout(UNIFIED_LIMIT_S):
                    company_id = await self.companies.first(user_id)
            except (RedisError, TimeoutError) as fault:
                log.warning("unified_registry_company_unknown", user_id=user_id, error=str(fault))
        answer = self._flag.is_on(user_id, company_id)
        if self._flag.is_debug:
            log.info(
                "registry_wrapper_decision", user_id=user_id, unified_registry=answer, revision=self._flag.revision
            )
        return answer

    @property
    def writes_legacy(self) -> bool:
        """False: the operator has given the legacy registry up; where the flag is on, it is not written nor read."""
        return self._flag.document.legacy_writes

    async def write(
        self, operation: str, user_id: str, change: Callable[[], Awaitable[Answer]], *, sync: str = USERS
    ) -> Answer | None:
        """Runs a unified change within its limit; None where it failed: the legacy answer stands."""
        try:
            async with asyncio.timeout(UNIFIED_LIMIT_S):
                answer = await change()
        except Exception as fault:
            # Whatever it is: a failure here must not reach a caller whose legacy write succeeded.
            metrics.REGISTRY_FALLBACKS.labels(operation).inc()
            metrics.REGISTRY_DUAL_WRITE_ERRORS.labels(operation, type(fault).__name__).inc()
            error = str(fault) or type(fault).__name__
            log.error("unified_registry_fallback", operation=operation, user_id=user_id, sync=sync, error=error)
            return None
        metrics.REGISTRY_OPERATIONS.count("unified", operation)
        if self._flag.is_debug or operation in _ALWAYS_TOLD:
            log.info("registry_wrapper_written", operation=operation, user_id=user_id, sync=sync)
        return answer

    async def adopting(self, user_id: str, change: Callable[[], Awaitable[bool]]) -> bool:
        """Runs a change that needs the user's entry; one that is missing is made from the legacy one first."""
        return await change() or (await self.adopt(user_id) and await change())

    async def adopt(self, user_id: str) -> bool:
        """Makes a user's entry from the legacy one, unless there is one; whether it made one."""
        is_made = await self._unified.adopt(user_id, datetime.now(UTC))
        if is_made:
            self.companies.complete(user_id)
            log.info("unified_registry_sync_from_legacy", user_id=user_id, step="first_touch")
        return is_made
