"""The unified registry's hashes: which field means what, and the contract's documents made of them.

One hash a user and one a company, a field per list element, so that each change is a change of fields. A list element
`collection:{name}` holds its place in the list; one that may be any JSON is named by its text. Writing is
`service.store.unified`.
"""

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from service.domain.errors import InvalidArguments
from service.domain.ids import DEFAULT_COMPANY, MAX_ELEMENTS, MAX_ID_CHARS, check_id

Fields = Mapping[str, str]

ONLINE: Final = "online"
OFFLINE: Final = "offline"
ROLE: Final = "user"
# How long a heartbeat holds, as the user document says it; the entry itself lives a day.
HEARTBEAT_TTL_S: Final = 90

# Fields of a user's hash.
USER_ID: Final = "user_id"
SESSION_ID: Final = "session_id"
BACKEND_ROUTE: Final = "backend_route"
LAST_SEEN_AT: Final = "last_seen_at"
STATUS: Final = "status"
CURRENT_COMPANY: Final = "current_company_id"
# The first authorised company, "" for none: the flag asks for it alone.
FIRST_COMPANY: Final = "first_company_id"
LAST_HEARTBEAT: Final = "last_heartbeat"
# When the session was registered: a legacy entry lives a day from then on, whatever heartbeats come.
REGISTERED_AT: Final = "registered_at"
# `last_seen_at` of the legacy entry that was written with the session, "" for none.
LEGACY_AT: Final = "legacy_at"
CHROMA_HEARTBEAT: Final = "chroma_last_heartbeat"
# Prefixes of list and map elements.
AUTHORIZED: Final = "authorized:"
ROLE_IN: Final = "role:"
COLLECTION: Final = "collection:"
CONVERSATION: Final = "conversation:"
PREFERENCE: Final = "preference:"
TASK: Final = "task:"
HISTORY: Final = "history:"
SERVICE: Final = "service:"

# Fields of a company's hash, beside collection:, task: and conversation:.
COMPANY_ID: Final = "company_id"
COMPANY_NAME: Final = "company_name"
CREATED_AT: Final = "created_at"
USER: Final = "user:"
QUOTA: Final = "quota:"

QUOTAS: Final = {"max_tasks_per_user": 10, "max_llm_requests_per_hour": 1000, "storage_limit_mb": 5000}


@dataclass(frozen=True, slots=True)
class Registration:
    """A user's session as it is registered.

    `company_id` None: the company stays what it was, at first the first authorised one, else `default`.
    `authorized_companies` None: not told, they stay what they were. `legacy_at`: `last_seen_at` of the legacy entry
    that was written before, with the session's pointer; "" for none.
    """

    user_id: str
    session_id: str
    backend_route: str
    now: datetime
    company_id: str | None = None
    authorized_companies: tuple[str, ...] | None = None
    legacy_at: str = ""

    @property
    def at(self) -> str:
        return self.now.isoformat()

    @property
    def names_companies(self) -> bool:
        return self.company_id is not None or self.authorized_companies is not None


def build_user_document(fields: Fields) -> dict[str, Any] | None:
    """The contract's user document; None where the hash is no user's."""
    if USER_ID not in fields:
        return None
    return {
        "user_info": {
            "user_id": fields[USER_ID],
            "session_id": fields.get(SESSION_ID, ""),
            "backend_route": fields.get(BACKEND_ROUTE, ""),
            "last_seen_at": fields.get(LAST_SEEN_AT, ""),
            "status": fields.get(STATUS, OFFLINE),
        },
        "companies": {
            "current_company_id": fields.get(CURRENT_COMPANY, DEFAULT_COMPANY),
            "authorized_companies_ids": read_list(fields, AUTHORIZED),
            "company_roles": dict(_elements(fields, ROLE_IN)),
        },
        "services": _services(fields),
        "heartbeat": {"last_heartbeat": fields.get(LAST_HEARTBEAT, ""), "ttl_seconds": HEARTBEAT_TTL_S},
    }


def _services(fields: Fields) -> dict[str, Any]:
    services: dict[str, dict[str, Any]] = {
        "chroma": {
            "collections": read_list(fields, COLLECTION),
            "last_heartbeat": _decode(fields.get(CHROMA_HEARTBEAT, "null")),
        },
        "llm": {
            "active_conversations": read_list(fields, CONVERSATION),
            "model_preferences": {name: _decode(value) for name, value in sorted(_elements(fields, PREFERENCE))},
        },
        "tasks": {
            "active_tasks": read_list(fields, TASK),
            "task_history": [_decode(entry) for entry in read_list(fields, HISTORY)],
        },
    }
    for name, value in sorted(_elements(fields, SERVICE)):
        service, _, key = name.partition(":")
        services.setdefault(service, {})[key] = _decode(value)
    return services


def build_company_document(company_id: str, fields: Fields) -> dict[str, Any] | None:
    """The contract's company document; None where the hash is no company's."""
    if COMPANY_ID not in fields:
        return None
    quotas = {name: int(value) for name, value in _elements(fields, QUOTA)}
    return {
        "company_info": {
            "company_id": company_id,
            "company_name": fields.get(COMPANY_NAME, company_id),
            "created_at": fields.get(CREATED_AT, ""),
        },
        "active_users": {user_id: _decode(value) for user_id, value in sorted(_elements(fields, USER))},
        "services": {
            "chroma_collections": read_list(fields, COLLECTION),
            "active_tasks": read_list(fields, TASK),
            "llm_conversations": read_list(fields, CONVERSATION),
        },
        "quotas": QUOTAS | quotas,
    }


def build_active_user(session_id: str, last_activity: str) -> str:
    """Value of a company's `user:{user_id}`."""
    return encode({"role": ROLE, "last_activity": last_activity, "session_id": session_id})


def read_list(fields: Fields, prefix: str) -> list[str]:
    """The elements of a list, in its order."""
    return [name for name, _ in sorted(_elements(fields, prefix), key=lambda element: int(element[1]))]


def _elements(fields: Fields, prefix: str) -> Iterator[tuple[str, str]]:
    return ((name.removeprefix(prefix), value) for name, value in fields.items() if name.startswith(prefix))


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What `update_user_service` does to the hash: prefixes that are emptied, lists' elements, other fields."""

    clear: tuple[str, ...]
    append: tuple[str, ...]
    set: dict[str, str]


_LISTS: Final = {
    ("chroma", "collections"): COLLECTION,
    ("llm", "active_conversations"): CONVERSATION,
    ("tasks", "active_tasks"): TASK,
}


def plan_service_change(service: str, data: Mapping[str, Any]) -> ServiceChange:
    """The given lists and maps replace the stored ones; what is not given stays.

    Example: `("chroma", {"collections": ["a"]})` empties `collection:` and appends `collection:a`. A key that the
    contract does not name is kept as it is. Raises InvalidArguments for a list of anything but ids, and for one that is
    too long.
    """
    check_id("service_name", service)
    _mapping("service_data", data)
    clear: list[str] = []
    append: list[str] = []
    values: dict[str, str] = {}
    for key, value in data.items():
        if prefix := _LISTS.get((service, key)):
            clear.append(prefix)
            append += [prefix + name for name in _names(key, value)]
        elif (service, key) == ("llm", "model_preferences"):
            clear.append(PREFERENCE)
            values |= {PREFERENCE + name: encode(preference) for name, preference in _mapping(key, value).items()}
        elif (service, key) == ("tasks", "task_history"):
            clear.append(HISTORY)
            append += [HISTORY + encode(entry) for entry in _list(key, value)]
        elif (service, key) == ("chroma", "last_heartbeat"):
            values[CHROMA_HEARTBEAT] = encode(value)
        else:
            values[f"{SERVICE}{service}:{key}"] = encode(value)
    return ServiceChange(tuple(clear), tuple(append), values)


def _names(key: str, value: Any) -> list[str]:
    names = _list(key, value)
    for name in names:
        if not isinstance(name, str):
            raise InvalidArguments(f"{key} takes a list of strings")
        _check_length(key, name)
        if not name or not name.isprintable():
            raise InvalidArguments(f"{key} holds an empty name or a control character")
    return names


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidArguments(f"{key} takes a list")
    _check_number(key, value)
    return value


def _mapping(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArguments(f"{key} takes an object")
    _check_number(key, value)
    for name in value:
        _check_length(key, name)
    return value


def _check_number(key: str, elements: Sized) -> None:
    if len(elements) > MAX_ELEMENTS:
        raise InvalidArguments(f"{key} holds more than {MAX_ELEMENTS} elements")


def _check_length(key: str, name: str) -> None:
    if len(name) > MAX_ID_CHARS:
        raise InvalidArguments(f"{key} holds a name of more than {MAX_ID_CHARS} characters")


def encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str) -> Any:
    return msgspec.json.decode(text)
