"""A chore that only these tests have: it runs until its gate is there.

Copied into the image under test and imported there alone: here the import would declare it for every test of the run.
Its keys are `broker`'s.
"""

import asyncio

from service.tasks.services import Services
from service.worker.chore import chore

STARTED, ENDED, GATE = "test:hold:started", "test:hold:ended", "test:hold:gate"


@chore("hold", every_s=86_400)
async def hold(services: Services) -> None:
    await services.valkey.incr(STARTED)
    while not await services.valkey.exists(GATE):  # noqa: ASYNC110 - the gate is in Valkey
        await asyncio.sleep(0.1)
    await services.valkey.incr(ENDED)
