"""Notification items, what a user may see of them, and the `notif.sync` event (contract.md, "Events")."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from service.domain.events import Event
from service.domain.times import parse_time

NOTIF_SYNC: Final = "notif.sync"
DEFAULT_FILE_NAME: Final = "Document"
DEFAULT_STATUS: Final = "info"
_OLDEST: Final = datetime.min.replace(tzinfo=UTC)

Item = dict[str, Any]


def build_item(doc_id: str, fields: Mapping[str, Any]) -> Item:
    """What notifications and messages have in common.

    Example: `{"file_name": "a.pdf", "status": "error", "job_id": "j1"}` → message `a.pdf - error`, url
    `/edit_form/j1`, the rest empty.
    """
    file_name = _text(fields.get("file_name")) or DEFAULT_FILE_NAME
    status = _text(fields.get("status")) or DEFAULT_STATUS
    job_id = _text(fields.get("job_id"))
    at = parse_time(fields.get("timestamp"))
    return {
        "message": f"{file_name} - {status}",
        "file_name": file_name,
        "collection_id": _text(fields.get("collection_id")),
        "collection_name": _text(fields.get("collection_name")),
        "url": f"/edit_form/{job_id}",
        "status": status,
        "doc_id": doc_id,
        "job_id": job_id,
        "file_id": _text(fields.get("file_id")),
        "function_name": _text(fields.get("function_name")),
        "timestamp": at.isoformat() if at else _text(fields.get("timestamp")),
        "additional_info": _as_text(fields.get("additional_info")),
    }


def build_notification(doc_id: str, fields: Mapping[str, Any]) -> Item:
    """A notification item: a common item with `read` and `info_message`."""
    item = build_item(doc_id, fields)
    return item | {"read": bool(fields.get("read", False)), "info_message": info_message(item["additional_info"])}


def info_message(additional_info: str) -> str:
    """`error_message`, else `message`, of the JSON in `additional_info`; "" where there is none."""
    try:
        found = msgspec.json.decode(additional_info)
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    return _text(found.get("error_message")) or _text(found.get("message"))


def choose_visible(items: Iterable[Item], authorized_companies: Collection[str]) -> list[Item]:
    """Newest first; only those of the user's companies, where these are known. Items without a time come last."""
    visible = [item for item in items if not authorized_companies or item["collection_id"] in authorized_companies]
    return sort_newest_first(visible)


def sort_newest_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (parse_time(item["timestamp"]) or _OLDEST, item["doc_id"]), reverse=True)


def build_notif_sync(uid: str, items: list[Item], now: datetime) -> Event:
    """The event that tells a user all unread notifications."""
    return Event(NOTIF_SYNC, uid, {"notifications": items, "count": len(items), "timestamp": now.isoformat()}, now)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _as_text(value: Any) -> str:
    """Text as it is; anything structured as its JSON."""
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return _text(value)
