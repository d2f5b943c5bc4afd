"""Fixtures of the fault tests: a Valkey of the test's own that keeps its data over a restart, and a crowd of tasks."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.service.faults.fleet import Crowd, crowd_on
from tests.service.valkey_server import RunningValkey, running_valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RunningValkey]:
    with running_valkey(cluster=False, folder=tmp_path / "valkey") as server:
        yield server


@pytest.fixture
async def crowd(valkey: RunningValkey) -> AsyncIterator[Crowd]:
    async with crowd_on(valkey) as crowd:
        yield crowd
