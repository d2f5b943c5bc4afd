"""A chore that only these tests have: it runs until its gate is there.

Copied into the image under test and imported there alone: here the import would declare it for every test of the run.
Its keys are `broker`'s.
"""

import asyncio

from service.store.client import VALKEY_FAULTS
from service.tasks.services import Services
from service.worker.chore import chore

STARTED, ENDED, GATE = "test:hold:started", "test:hold:ended", "test:hold:gate"


@chore("hold", every_s=86_400)
async def hold(services: Services) -> None:
    await services.valkey.incr(STARTED)
    while not await _is_open(services):  # noqa: ASYNC110 - the gate is in Valkey
        await asyncio.sleep(0.1)
    await services.valkey.incr(ENDED)


async def _is_open(services: Services) -> bool:
    """A Valkey that is away ends no task that works elsewhere."""
    try:
        return bool(await services.valkey.exists(GATE))
    except VALKEY_FAULTS:
        return False
