"""`listeners_registry/{user_id}.authorized_companies_ids`: the companies that a user may work in.

Read at most once a minute per user. Imports nothing of Google's: the client comes from outside.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from service.domain.presence import AUTHORIZED_COMPANIES, is_document_id, parse_companies
from service.gateways.firestore.model import Document, Merge

COLLECTION: Final = "listeners_registry"
KEPT_S: Final = 60.0
KEPT_USERS: Final = 20_000


class Documents(Protocol):
    """What this needs of Firestore. Both raise FirestoreFault."""

    async def read(self, path: str) -> Document | None: ...

    async def write(self, merges: Sequence[Merge]) -> None: ...


class AuthorizedCompanies:
    """Reads and merges them. `clock`: seconds that only grow."""

    def __init__(self, documents: Documents, clock: Callable[[], float] = time.monotonic) -> None:
        self._documents = documents
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    async def read(self, user_id: str) -> tuple[str, ...]:
        """In their order; empty where none are known. Raises FirestoreFault."""
        companies = self.known(user_id)
        if companies is not None:
            return companies
        if not is_document_id(user_id):
            return ()
        document = await self._documents.read(path_of(user_id))
        companies = parse_companies(document.fields) if document else ()
        self._keep(user_id, companies)
        return companies

    def known(self, user_id: str) -> tuple[str, ...] | None:
        """Those that were read or written within the minute; None: Firestore has to be asked."""
        until, companies = self._known.get(user_id, (0.0, ()))
        return companies if until > self._clock() else None

    async def merge(self, user_id: str, companies: Sequence[str]) -> None:
        """Writes them where there are any; presence and heartbeat stay as they are. Raises FirestoreFault."""
        if not companies or not is_document_id(user_id):
            return
        await self._documents.write([Merge(path_of(user_id), {AUTHORIZED_COMPANIES: list(companies)})])
        self._keep(user_id, tuple(companies))

    def _keep(self, user_id: str, companies: tuple[str, ...]) -> None:
        self._known[user_id] = (self._clock() + KEPT_S, companies)
        self._known.move_to_end(user_id)
        if len(self._known) > KEPT_USERS:
            self._known.popitem(last=False)


def path_of(user_id: str) -> str:
    """Path of a user's document."""
    return f"{COLLECTION}/{user_id}"
