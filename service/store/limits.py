"""Which limits hold for a company, at most ten seconds old: its own in the company's entry, else the service's."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from contract import flag, keys
from service.domain import unified as doc
from service.domain.quotas import choose_limit
from service.store.client import Valkey

log = structlog.get_logger("pinnokio.quotas")

KEPT_S: Final = 10.0
KEPT_COMPANIES: Final = 10_000

OfService = Callable[[], Mapping[str, int]]


class Limits:
    """Reads them. `of_service`: the service's own as this process knows them; None: they are read from Valkey too."""

    def __init__(self, valkey: Valkey, of_service: OfService | None = None) -> None:
        self._valkey = valkey
        self._of_service = of_service
        self._known: OrderedDict[str, tuple[float, dict[str, str], Mapping[str, int]]] = OrderedDict()

    async def read(self, quota: str, company_id: str) -> int:
        """Raises redis-py's errors."""
        until, of_company, of_service = self._known.get(company_id, (0.0, {}, {}))
        if until < time.monotonic():
            of_company, of_service = await self._read(company_id)
            self._known[company_id] = (time.monotonic() + KEPT_S, of_company, of_service)
            self._known.move_to_end(company_id)
            if len(self._known) > KEPT_COMPANIES:
                self._known.popitem(last=False)
        return choose_limit(quota, of_company.get(quota), self._of_service() if self._of_service else of_service)

    def forget(self) -> None:
        """The next reading asks Valkey."""
        self._known.clear()

    async def _read(self, company_id: str) -> tuple[dict[str, str], Mapping[str, int]]:
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.hmget(keys.company(company_id), [doc.QUOTA + quota for quota in doc.QUOTAS])
        if self._of_service is None:
            pipeline.get(keys.FLAG)
        values, *documents = await pipeline.execute()
        of_company = {quota: value.decode() for quota, value in zip(doc.QUOTAS, values, strict=True) if value}
        return of_company, _parse_quotas(documents[0]) if documents else {}


def _parse_quotas(document: Any) -> Mapping[str, int]:
    try:
        return flag.decode(document).quotas if document else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        log.error("flag_document_unreadable", error=repr(fault))
        return {}
