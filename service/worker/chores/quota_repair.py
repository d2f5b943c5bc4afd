"""quota_repair: puts counted storage right where it may be wrong.

A collection that nobody has measured yet, one whose writer died before it said what it wrote, and each one once a day.
One that is found gone twice is forgotten.
"""

import asyncio
import time
from typing import Final

import structlog

from service.domain.errors import ServiceError
from service.store.storage import Check
from service.tasks.services import Services
from service.tasks.storing import CompanyCollections
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")

AT_ONCE: Final = 20
# Other chores wait behind this one. A collection of gigabytes is not read to its end then, but judged by its beginning.
READ_S: Final = 5.0
MEASURE_LIMIT_S: Final = 10.0
RUN_S: Final = 15.0
# Somebody writes to it, or Chroma is away.
AGAIN_S: Final = 60.0


@chore("quota_repair", every_s=60)
async def repair_quotas(services: Services) -> None:
    if not services.gateways.chroma.is_configured:
        return
    measured = 0
    until = time.monotonic() + RUN_S
    for check in await services.storage.read_due(AT_ONCE):
        if time.monotonic() > until:
            break
        measured += await _look_at(services, check)
    if measured:
        log.info("quota_repair_done", collections=measured)


async def _look_at(services: Services, check: Check) -> bool:
    """Whether the collection was measured."""
    if check.is_counted_right:
        await services.storage.put_off(check, check.next_look_ms)
        return False
    # First: one that takes longer than it may is not the next one again.
    await services.storage.put_off(check, round((time.time() + AGAIN_S) * 1000))
    if check.is_written_to:
        return False
    collections = CompanyCollections(services.gateways.vectors, services.storage)
    is_gone = False
    try:
        async with asyncio.timeout(MEASURE_LIMIT_S):
            sizes, is_right = await collections.measure(check.company_id, check.collection_name, READ_S)
            if check.was_empty and not sizes.document_count:
                is_gone = await services.gateways.chroma.find(check.collection_name) is None
    except (ServiceError, TimeoutError) as fault:
        error = fault.logged if isinstance(fault, ServiceError) else "it takes too long"
        log.warning("storage_not_measured", collection_name=check.collection_name, error=error)
        return False
    if is_right and is_gone:
        if await services.storage.forget(check):
            log.info("storage_forgotten", company_id=check.company_id, collection_name=check.collection_name)
    elif is_right:
        await services.storage.put_off_for_a_day(check)
        log.info(
            "storage_measured",
            company_id=check.company_id,
            collection_name=check.collection_name,
            counted_bytes=check.counted_bytes,
            held_bytes=sizes.total_size,
        )
    return is_right
