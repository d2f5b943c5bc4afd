"""`companies/{company_id}.quotas`: the limits that Firestore knows of a company, a map of quota → whole number.

Imports nothing of Google's: the client comes from outside.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from service.domain.presence import is_document_id
from service.domain.quotas import parse_limits
from service.gateways.firestore.model import Document, FirestoreFault

log = structlog.get_logger("pinnokio.quotas")

COLLECTION: Final = "companies"
QUOTAS_FIELD: Final = "quotas"


class Documents(Protocol):
    """What this needs of Firestore. Raises FirestoreFault."""

    async def read(self, path: str) -> Document | None: ...


class CompanyQuotas:
    """Reads them."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def read(self, company_id: str) -> Mapping[str, int] | None:
        """Those that it names; None: Firestore does not tell now."""
        if not is_document_id(company_id):
            return {}
        try:
            document = await self._documents.read(f"{COLLECTION}/{company_id}")
        except FirestoreFault as fault:
            log.warning("company_quotas_not_read", company_id=company_id, error=str(fault))
            return None
        return parse_limits(document.fields.get(QUOTAS_FIELD)) if document else {}
