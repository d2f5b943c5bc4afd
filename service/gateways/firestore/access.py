"""Which Firestore, and as whom. Reads settings; imports nothing of Google's."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from service.settings import FirebaseSettings

HOST: Final = "firestore.googleapis.com"
# The emulator's own: a caller whom security rules do not bind.
EMULATOR_TOKEN: Final = "owner"


class FirebaseMisconfigured(ValueError):
    """FIREBASE_ADMIN_JSON is no service account; the message repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class FirestoreAccess:
    """`emulator_host` None: Google's, as the service account `account`."""

    project_id: str
    emulator_host: str | None
    account: dict[str, Any] | None = field(repr=False)

    @property
    def database(self) -> str:
        return f"projects/{self.project_id}/databases/(default)"

    @property
    def root(self) -> str:
        """Prefix of every document's name."""
        return f"{self.database}/documents"


def read_account(settings: FirebaseSettings) -> dict[str, Any] | None:
    """The service account; None: none is set. Raises FirebaseMisconfigured."""
    if settings.admin_json is None:
        return None
    try:
        account = msgspec.json.decode(settings.admin_json)
    except msgspec.DecodeError:
        raise FirebaseMisconfigured("FIREBASE_ADMIN_JSON is no JSON") from None
    if not isinstance(account, dict) or not {"client_email", "private_key", "token_uri"} <= account.keys():
        raise FirebaseMisconfigured("FIREBASE_ADMIN_JSON is no service account")
    return account


def read_access(settings: FirebaseSettings) -> FirestoreAccess | None:
    """None: Firestore is not configured. Raises FirebaseMisconfigured.

    Cases in order: no project → None; an emulator → the emulator; a service account → Google's Firestore; else None.
    """
    if settings.project_id is None:
        return None
    if settings.emulator_host is not None:
        return FirestoreAccess(settings.project_id, settings.emulator_host, None)
    account = read_account(settings)
    return FirestoreAccess(settings.project_id, None, account) if account is not None else None
