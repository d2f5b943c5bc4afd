"""Namespace REGISTRY: the legacy registry of users and sessions, and the unified one beside it where the flag is on."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import msgspec
import structlog

from service import metrics
from service.domain.ids import Id
from service.domain.legacy import LegacyUser, legacy_time
from service.domain.unified import Registration
from service.rpc.dual_write import DualWrite
from service.store.lane import Lane
from service.store.legacy import LegacyRegistry
from service.store.sessions import read_users
from service.store.unified import UnifiedRegistry

log = structlog.get_logger("registry")

# An address inside the cluster; longer than any URL that a browser takes is a mistake.
Route = Annotated[str, msgspec.Meta(max_length=2048)]


class RegistryNamespace:
    """The methods `REGISTRY.*` of contract.md. `scan`: LEGACY_SESSION_SCAN."""

    def __init__(
        self, lane: Lane, legacy: LegacyRegistry, unified: UnifiedRegistry, dual: DualWrite, *, scan: bool
    ) -> None:
        self._lane = lane
        self._legacy = legacy
        self._unified = unified
        self._dual = dual
        self._scan = scan

    async def register_user(self, user_id: Id, session_id: Id, backend_route: Route | None = None) -> dict[str, str]:
        """Registers a user's session for 24 hours."""
        now = datetime.now(UTC)
        user = LegacyUser(user_id, session_id, backend_route or "", legacy_time(now))
        is_on = await self._dual.is_on(user_id)
        legacy_at = user.last_seen_at if self._dual.writes_legacy else ""
        registration = Registration(user_id, session_id, user.backend_route, now, legacy_at=legacy_at)
        company_id = None
        if is_on and not self._dual.writes_legacy:
            company_id = await self._unified.register(registration)
        else:
            await self._legacy.register_user(user)
            metrics.REGISTRY_OPERATIONS.count("legacy", "register_user")
            if is_on:
                register = partial(self._unified.register, registration)
                company_id = await self._dual.write("register_user", user_id, register)
        if is_on:
            self._dual.companies.complete(user_id)
        log.info("user_registered", user_id=user_id, company_id=company_id, session_id=session_id)
        return user.document()

    async def unregister_session(self, session_id: Id) -> bool:
        """Ends a session; whether a user had it."""
        user_ids = await read_users(self._lane, session_id, scan=self._scan)
        on = [user_id for user_id in user_ids if await self._dual.is_on(user_id)]
        # Also where legacy entries are not written any more: one of before must not outlive its session.
        deleted = await self._legacy.unregister_session(session_id, user_ids, forget=sorted({*user_ids} - {*on}))
        metrics.REGISTRY_OPERATIONS.count("legacy", "unregister_session")
        has_ended = bool(deleted)
        for user_id in on:
            had_legacy = user_id in deleted and self._dual.writes_legacy
            unregister = partial(self._unified.unregister, user_id, session_id, had_legacy=had_legacy, forgets=True)
            was_online = await self._dual.write("unregister_session", user_id, unregister)
            has_ended = has_ended or (bool(was_online) and not self._dual.writes_legacy)
        return has_ended
