"""The unified registry in Valkey: one hash a user, one a company; each change one script on one key.

What a user's change means for the company is a second change on its own key; one that is lost between the two is
mended by the user's next registration or heartbeat, or by the cleanup (`service.store.cleanup`). Every method raises
redis-py's errors.
"""

from datetime import UTC, datetime
from typing import Any, Final

import structlog
from msgspec.structs import replace

from contract import keys
from service.domain import unified as doc
from service.domain.following import UnifiedSession, plan_following
from service.domain.ids import DEFAULT_COMPANY
from service.domain.legacy import LegacyUser
from service.domain.unified import Registration, ServiceChange
from service.store import sessions
from service.store.companies import CompanyCache, KnownCompanies
from service.store.lane import Command, Lane
from service.store.legacy import LegacyRegistry, build_read_user, parse_user
from service.store.patches import Patch, Patched, parse_patched
from service.store.unified_patches import (
    TTL_S,
    build_active,
    build_authorizing,
    build_company,
    build_guard,
    build_join,
    build_leave,
    build_registration,
    choose_first_company,
)

log = structlog.get_logger("unified_registry")

# Enough to see what ran lately; a document is read as a whole.
HISTORY_KEPT: Final = 50
# What a user goes on with is among the last ones.
CONVERSATIONS_KEPT: Final = 100
# What tells whether a user's session is in step with the legacy registry, and where it is.
_SESSION: Final = (
    doc.STATUS, doc.CURRENT_COMPANY, doc.SESSION_ID, doc.BACKEND_ROUTE, doc.REGISTERED_AT, doc.LEGACY_AT,
)  # fmt: skip


class UnifiedRegistry:
    """Reads and writes users and companies."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._companies = CompanyCache()

    # Sessions

    async def register(self, registration: Registration) -> str:
        """Writes the session; what the user's services hold stays. The answer is the user's current company."""
        user_id = registration.user_id
        cached = self._companies.get(user_id)
        is_indexed = bool(registration.legacy_at)
        if is_indexed and cached is not None and cached.current is not None and not registration.names_companies:
            again = await self._register_again(registration, cached.current)
            if again is not None:
                return again
        known = registration.company_id or (cached.current if cached else None)
        user = build_registration(registration).command(keys.unified_user(user_id))
        index = sessions.build_add(registration.session_id, user_id)
        # The company is written in the same round trip where it is known, and put right below where it had changed.
        company = () if known is None else build_join(registration, known)
        answers = await self._lane.run(user, *index, *company)
        _raise_first(answers)
        previous, first = parse_patched(answers[0]).before
        if registration.authorized_companies is not None:
            first = next(iter(registration.authorized_companies), None)
        current = registration.company_id or previous or choose_first_company(registration)
        if current != known:
            _raise_first(await self._lane.run(*build_join(registration, current)))
        for left in {previous, known} - {current, None}:
            await self._leave(left or DEFAULT_COMPANY, user_id)
        self._companies.put(user_id, KnownCompanies(first or None, current))
        return current

    async def _register_again(self, registration: Registration, company_id: str) -> str | None:
        """Most calls: of a user who works in `company_id` as far as this process knows. A quarter of a script's time.

        None: that is no longer so, or there is no entry; what was written is a part of what `register` writes.
        """
        user_id, at = registration.user_id, registration.at
        key, company = keys.unified_user(user_id), keys.company(company_id)
        session = (
            doc.USER_ID, user_id, doc.SESSION_ID, registration.session_id,
            doc.BACKEND_ROUTE, registration.backend_route, doc.LAST_SEEN_AT, at,
            doc.LAST_HEARTBEAT, at, doc.REGISTERED_AT, at, doc.LEGACY_AT, registration.legacy_at,
            doc.STATUS, doc.ONLINE,
        )  # fmt: skip
        active = doc.build_active_user(registration.session_id, at)
        answers = await self._lane.run(
            ("HSET", key, *session),
            ("HMGET", key, doc.CURRENT_COMPANY, doc.FIRST_COMPANY),
            ("EXPIRE", key, TTL_S),
            # With its id, so that an entry is never without it.
            ("HSET", company, doc.COMPANY_ID, company_id, doc.USER + user_id, active),
        )
        _raise_first(answers)
        current, first = (value.decode() if value else None for value in answers[1])
        if current != company_id:
            return None
        if answers[3] or not self._companies.is_renewed(company_id):
            _raise_first(await self._lane.run(*build_join(registration, company_id)))
            self._companies.renewed(company_id)
        self._companies.put(user_id, KnownCompanies(first, company_id))
        return company_id

    async def authorize(self, user_id: str, companies: tuple[str, ...]) -> None:
        """Gives the user's entry its authorised companies; who worked in none of them works in the first.

        Nothing where there is no entry.
        """
        patch = Patch(only_if="exists", read=(doc.CURRENT_COMPANY, doc.SESSION_ID, doc.STATUS))
        patched = await self._patch_user(user_id, build_authorizing(patch, companies))
        if not patched.is_applied:
            return
        worked_in, session_id, status = patched.before
        current = worked_in or DEFAULT_COMPANY
        if current not in companies:
            moving = Patch(guard={doc.CURRENT_COMPANY: current}, set={doc.CURRENT_COMPANY: companies[0]})
            if (await self._patch_user(user_id, moving)).is_applied:
                await self._leave(current, user_id)
                current = companies[0]
                if status == doc.ONLINE:
                    at = datetime.now(UTC).isoformat()
                    _raise_first(await self._lane.run(*build_active(current, user_id, session_id or "", at)))
        self._companies.put(user_id, KnownCompanies(companies[0], current))

    async def unregister(
        self, user_id: str, session_id: str, *, had_legacy: bool = False, forgets: bool = False
    ) -> bool:
        """Marks the user offline, if this is still the session; whether it was.

        `had_legacy`: the user's legacy entry was of this session and is deleted, so that a session written with an
        older one has ended too. `forgets`: the session's pointer goes, last, so that who failed before finds the user.
        """
        patch = Patch(
            guard={doc.SESSION_ID: session_id, doc.STATUS: doc.ONLINE},
            read=(doc.CURRENT_COMPANY,),
            set={doc.STATUS: doc.OFFLINE},
        )
        patched = await self._patch_user(user_id, patch)
        if not patched.is_applied and had_legacy:
            await self._leave_with_legacy(user_id)
        after = sessions.build_remove(session_id, [user_id] if forgets else [])
        if patched.is_applied:
            after = (build_leave(patched.before[0] or DEFAULT_COMPANY, user_id), *after)
        if after:
            _raise_first(await self._lane.run(*after))
        return patched.is_applied

    async def adopt(self, user_id: str, now: datetime) -> bool:
        """First touch: makes a user's entry from the legacy one, unless there is one; whether it made one."""
        legacy = await LegacyRegistry(self._lane).read_user(user_id)
        return legacy is not None and await self._take_over(legacy, None, now)

    async def heartbeat(self, user_id: str, now: datetime, *, follows: bool = False) -> bool:
        """Renews the user's entry, the company's of it and the session's pointer; whether there was an entry.

        `follows`: where the legacy registry knows better, its session is taken over (`service.domain.following`).
        """
        at = now.isoformat()
        patch = Patch(only_if="exists", read=_SESSION, set={doc.LAST_HEARTBEAT: at, doc.LAST_SEEN_AT: at}, ttl_s=TTL_S)
        legacy = (build_read_user(user_id),) if follows else ()
        answers = await self._lane.run(patch.command(keys.unified_user(user_id)), *legacy)
        patched = parse_patched(answers[0])
        if not patched.is_applied:
            return False
        session = _read_session(patched.before)
        if follows and await self._follow(user_id, session, parse_user(user_id, answers[1]), now):
            return True
        # A heartbeat that comes late does not bring a user back who has left.
        if session.status == doc.ONLINE:
            company_id = patched.before[1] or DEFAULT_COMPANY
            active = build_active(company_id, user_id, session.session_id, at)
            _raise_first(await self._lane.run(*active, *sessions.build_add(session.session_id, user_id)))
        return True

    async def _follow(self, user_id: str, session: UnifiedSession, legacy: LegacyUser | None, now: datetime) -> bool:
        """Brings the user's session in step with the legacy registry; whether anything had to be changed and was."""
        step = plan_following(legacy, session, now)
        if step == "adopt" and legacy is not None:
            is_changed = await self._take_over(legacy, session, now)
        else:
            is_changed = step == "leave" and await self._mark_left(user_id, session)
        if is_changed:
            log.info("unified_registry_sync_from_legacy", user_id=user_id, step=step)
        return is_changed

    async def _leave_with_legacy(self, user_id: str) -> None:
        """Marks a user offline whose legacy entry was just deleted, whatever session the unified one had kept."""
        answers = await self._lane.run(("HMGET", keys.unified_user(user_id), *_SESSION), build_read_user(user_id))
        _raise_first(answers)
        session = _read_session(tuple(None if value is None else value.decode() for value in answers[0]))
        legacy = parse_user(user_id, answers[1])
        if legacy is None and plan_following(None, session, datetime.now(UTC), has_just_ended=True) == "leave":
            await self._mark_left(user_id, session)

    async def _take_over(self, legacy: LegacyUser, session: UnifiedSession | None, now: datetime) -> bool:
        """Makes the session the legacy one, while the entry is still as it was read; None: while there is none."""
        user_id, legacy_at = legacy.user_id, legacy.last_seen_at
        registration = Registration(user_id, legacy.session_id, legacy.backend_route, now, legacy_at=legacy_at)
        patch = build_registration(registration)
        patch = replace(
            patch,
            only_if="new" if session is None else "exists",
            guard=build_guard(session),
            read=(doc.CURRENT_COMPANY,),
            set=patch.set | {doc.REGISTERED_AT: legacy_at},
        )
        patched = await self._patch_user(user_id, patch)
        if patched.is_applied:
            joining = build_join(registration, patched.before[0] or DEFAULT_COMPANY)
            _raise_first(await self._lane.run(*joining, *sessions.build_add(legacy.session_id, user_id)))
        return patched.is_applied

    async def _mark_left(self, user_id: str, session: UnifiedSession) -> bool:
        patch = Patch(guard=build_guard(session), read=(doc.CURRENT_COMPANY,), set={doc.STATUS: doc.OFFLINE})
        patched = await self._patch_user(user_id, patch)
        if patched.is_applied:
            await self._leave(patched.before[0] or DEFAULT_COMPANY, user_id)
        return patched.is_applied

    # Services

    async def update_service(self, user_id: str, change: ServiceChange) -> bool:
        """Whether the user has an entry."""
        patch = Patch(only_if="exists", clear=change.clear, append=change.append, set=change.set, ttl_s=TTL_S)
        return (await self._patch_user(user_id, patch)).is_applied

    async def add_collection(self, user_id: str, collection_name: str, now: datetime) -> bool:
        """Notes a collection, new or in use; whether the user has an entry."""
        field = doc.COLLECTION + collection_name
        patch = Patch(
            only_if="exists",
            read=(doc.CURRENT_COMPANY,),
            append=(field,),
            set={doc.CHROMA_HEARTBEAT: doc.encode(now.isoformat())},
            ttl_s=TTL_S,
        )
        patched = await self._patch_user(user_id, patch)
        if patched.is_applied:
            await self._add_to_company(patched.before[0] or DEFAULT_COMPANY, field)
        return patched.is_applied

    async def remove_collection(self, user_id: str, collection_name: str) -> bool:
        """Whether the user has an entry. The company keeps the collection: others may use it."""
        patch = Patch(only_if="exists", drop=(doc.COLLECTION + collection_name,), ttl_s=TTL_S)
        return (await self._patch_user(user_id, patch)).is_applied

    async def add_active_task(
        self, user_id: str, company_id: str, task_id: str, conversation_id: str | None = None
    ) -> None:
        """Notes a task that is queued or running, with its user and its company; and its conversation, if it has one.

        A conversation stays noted after its task's end, until the cleanup finds the task's entry gone.
        """
        commands = self.build_add_active_task(user_id, company_id, task_id, conversation_id)
        answers = await self._lane.run(*commands)
        _raise_first(answers)
        if not parse_patched(answers[0]).is_applied and await self.adopt(user_id, datetime.now(UTC)):
            _raise_first(await self._lane.run(commands[0]))

    def build_add_active_task(
        self, user_id: str, company_id: str, task_id: str, conversation_id: str | None = None
    ) -> tuple[Command, Command]:
        """What `add_active_task` sends, the user's change first: for who sends it with more."""
        fields = (doc.TASK + task_id, *((doc.CONVERSATION + conversation_id,) if conversation_id else ()))
        keep = {doc.CONVERSATION: CONVERSATIONS_KEPT} if conversation_id else {}
        user = Patch(only_if="exists", append=fields, keep=keep, ttl_s=TTL_S)
        return (
            user.command(keys.unified_user(user_id)),
            build_company(company_id, append=fields).command(keys.company(company_id)),
        )

    async def remove_active_task(self, user_id: str, company_id: str, task_id: str, *, has_ended: bool = False) -> None:
        """Forgets a task; `has_ended`: it goes to the user's history, for it ran."""
        commands = self.build_remove_active_task(user_id, company_id, task_id, has_ended=has_ended)
        _raise_first(await self._lane.run(*commands))

    def build_remove_active_task(
        self, user_id: str, company_id: str, task_id: str, *, has_ended: bool = False
    ) -> tuple[Command, Command]:
        """What `remove_active_task` sends, for who sends it with more."""
        field = doc.TASK + task_id
        ended = (doc.HISTORY + doc.encode(task_id),) if has_ended else ()
        user = Patch(only_if="exists", drop=(field,), append=ended, keep={doc.HISTORY: HISTORY_KEPT} if ended else {})
        return user.command(keys.unified_user(user_id)), ("HDEL", keys.company(company_id), field)

    # Reading

    async def read_user(self, user_id: str) -> dict[str, Any] | None:
        """The contract's user document; None: no entry."""
        return doc.build_user_document(await self._fields(keys.unified_user(user_id)))

    async def read_following(self, user_id: str, now: datetime) -> dict[str, Any] | None:
        """As `read_user`; where the legacy registry knows better, its session is taken over first."""
        key = keys.unified_user(user_id)
        answers = await self._lane.run(("HGETALL", key), build_read_user(user_id))
        _raise_first(answers)
        fields = _pair(answers[0])
        session = _read_session(tuple(fields.get(name) for name in _SESSION))
        if fields and await self._follow(user_id, session, parse_user(user_id, answers[1]), now):
            fields = await self._fields(key)
        return doc.build_user_document(fields)

    async def read_company(self, company_id: str) -> dict[str, Any] | None:
        """The contract's company document; None: no entry."""
        return doc.build_company_document(company_id, await self._fields(keys.company(company_id)))

    async def first_company(self, user_id: str) -> str | None:
        """The user's first authorised company, at most a minute old; None: unknown."""
        return (await self._companies_of(user_id)).first

    async def current_company(self, user_id: str) -> str:
        """The user's current company, at most a minute old; `default` where nothing is known."""
        return (await self._companies_of(user_id)).current or DEFAULT_COMPANY

    async def _companies_of(self, user_id: str) -> KnownCompanies:
        known = self._companies.get(user_id)
        if known is None:
            fields = (doc.FIRST_COMPANY, doc.CURRENT_COMPANY)
            values = await self._lane.ask("HMGET", keys.unified_user(user_id), *fields)
            first, current = (value.decode() if value else None for value in values)
            known = KnownCompanies(first, current)
            self._companies.put(user_id, known)
        return known

    async def _fields(self, key: str) -> dict[str, str]:
        return _pair(await self._lane.ask("HGETALL", key))

    async def _patch_user(self, user_id: str, patch: Patch) -> Patched:
        return parse_patched(await self._lane.ask(*patch.command(keys.unified_user(user_id))))

    async def _add_to_company(self, company_id: str, field: str) -> None:
        await self._lane.ask(*build_company(company_id, append=(field,)).command(keys.company(company_id)))

    async def _leave(self, company_id: str, user_id: str) -> None:
        await self._lane.ask(*build_leave(company_id, user_id))


def _pair(words: list[bytes]) -> dict[str, str]:
    texts = [word.decode() for word in words]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _read_session(values: tuple[str | None, ...]) -> UnifiedSession:
    """Of the values of `_SESSION`."""
    status, _, session_id, backend_route, registered_at, legacy_at = (value or "" for value in values)
    return UnifiedSession(session_id, backend_route, status, registered_at, legacy_at)


def _raise_first(answers: list[Any]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
