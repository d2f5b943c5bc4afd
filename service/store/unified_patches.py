"""Changes of users and companies in the unified registry, as patches and commands; nothing is sent here."""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from contract import keys
from service.domain import unified as doc
from service.domain.following import UnifiedSession
from service.domain.ids import DEFAULT_COMPANY
from service.domain.unified import Registration
from service.store.lane import Command
from service.store.patches import Patch

TTL_S: Final = keys.UNIFIED_TTL_S


def build_leave(company_id: str, user_id: str) -> Command:
    return ("HDEL", keys.company(company_id), doc.USER + user_id)


def build_guard(session: UnifiedSession | None) -> dict[str, str]:
    """What must still be as it was read, so that a registration meanwhile wins."""
    if session is None:
        return {}
    held = {doc.SESSION_ID: session.session_id, doc.STATUS: session.status, doc.REGISTERED_AT: session.registered_at}
    # A field that was missing cannot be named.
    return {field: value for field, value in held.items() if value}


def build_registration(registration: Registration) -> Patch:
    values = {
        doc.USER_ID: registration.user_id,
        doc.SESSION_ID: registration.session_id,
        doc.BACKEND_ROUTE: registration.backend_route,
        doc.LAST_SEEN_AT: registration.at,
        doc.LAST_HEARTBEAT: registration.at,
        doc.REGISTERED_AT: registration.at,
        doc.LEGACY_AT: registration.legacy_at,
        doc.STATUS: doc.ONLINE,
    }
    if registration.company_id is not None:
        values[doc.CURRENT_COMPANY] = registration.company_id
    patch = Patch(
        read=(doc.CURRENT_COMPANY, doc.FIRST_COMPANY),
        set=values,
        default={doc.CURRENT_COMPANY: choose_first_company(registration)},
        ttl_s=TTL_S,
    )
    authorized = registration.authorized_companies
    return patch if authorized is None else build_authorizing(patch, authorized)


def build_authorizing(patch: Patch, companies: tuple[str, ...]) -> Patch:
    """The patch, which also replaces the authorised companies."""
    values = {doc.FIRST_COMPANY: companies[0] if companies else ""}
    return replace(
        patch,
        clear=(doc.AUTHORIZED, doc.ROLE_IN),
        append=tuple(doc.AUTHORIZED + company for company in companies),
        set=patch.set | values | {doc.ROLE_IN + company: doc.ROLE for company in companies},
    )


def choose_first_company(registration: Registration) -> str:
    return registration.authorized_companies[0] if registration.authorized_companies else DEFAULT_COMPANY


def build_join(registration: Registration, company_id: str) -> tuple[Command, ...]:
    return build_active(company_id, registration.user_id, registration.session_id, registration.at)


def build_active(company_id: str, user_id: str, session_id: str, at: str) -> tuple[Command, ...]:
    values = {doc.USER + user_id: doc.build_active_user(session_id, at)}
    return (build_company(company_id, values=values).command(keys.company(company_id)),)


def build_company(company_id: str, *, values: dict[str, str] | None = None, append: tuple[str, ...] = ()) -> Patch:
    created = {
        doc.COMPANY_ID: company_id,
        doc.COMPANY_NAME: company_id,
        doc.CREATED_AT: datetime.now(UTC).isoformat(),
    }
    return Patch(set=values or {}, default=created, append=append, ttl_s=TTL_S)
