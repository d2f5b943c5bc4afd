"""A service that has something to show: real processes, tasks that ended, failed, run and wait."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from contract import flag, keys
from contract.flag import FlagDocument
from contract.queues import HEALTH_CHECK, MAINTENANCE, celery_name
from service.store.celery_message import build_message
from tests.openai_server.faults import slow
from tests.openai_server.server import API_KEY, UNKNOWN_MODEL, OpenAiServer, openai_beside
from tests.service.application import envelope
from tests.service.process import api_process
from tests.service.running_worker import User, listening_user, running_worker
from tests.service.valkey_server import RunningValkey, running_valkey
from tests.service.waiting import eventually

TOKEN: Final = "token-of-the-status-page"
# A job's id is its sender's word, and stands in the list of failures.
SCRIPT: Final = "<script>document.title='owned'</script>"
SCAN: Final = {"content_base64": "iVBORw0KGgoAAAANSUhEUg==", "mime": "image/png"}
INVOICE: Final = {"content": "Invoice No. 42\nTotal: EUR 12.00"}
WORKERS: Final = {
    "computation": "sample-worker-computation-6d9f7-x2k4p",
    "llm": "sample-worker-llm-75c8b-m9tqv",
    "default,maintenance": "sample-worker-default-58bc4-w7rdz",
}
POD: Final = "sample-api-7c4d9-h5vjn"
FLAG: Final = FlagDocument(revision=7, enabled=True, users=("u1", "u2"), percent_bp=2500, salt="pinnokio/sample")
DEADLINE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Lively:
    """A running service. `url`: of its API."""

    url: str
    valkey: RunningValkey
    user: User
    openai: OpenAiServer

    async def call(self, method: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(timeout=DEADLINE_S, headers=headers) as client:
            response = await client.post(f"{self.url}/rpc", json=envelope(method, *args, kwargs=kwargs))
        data: dict[str, Any] = response.json()["data"]
        return data

    async def page(self) -> str:
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            return (await client.get(f"{self.url}/status", auth=("", TOKEN))).text

    async def live(self, job_id: str) -> None:
        """Lets tasks end and fail, and leaves some that run and some that wait. `job_id`: of one that fails."""
        await self._ask_dependencies()
        await self.call("TASK.start_document_analysis", "u1", INVOICE, "re-2025-0417")
        await self.user.events_until_end("doc_analysis_re-2025-0417", DEADLINE_S)
        await self.call("TASK.start_document_analysis", "u1", SCAN, job_id)
        await self.user.events_until_end(f"doc_analysis_{job_id}", DEADLINE_S)
        started = await self._converse(UNKNOWN_MODEL)
        await self.user.events_until_end(started["conversation_id"], DEADLINE_S)
        self.openai.faults.extend([slow(30.0)] * 2)
        await asyncio.gather(*(self._converse("gpt-4") for _ in range(5)))
        # Two of them run, and a heartbeat has told so.
        await eventually(self._is_told, deadline_s=DEADLINE_S)

    async def end_conversations(self) -> None:
        open_tasks: Any = await self.user.valkey.zrange(keys.OPEN_TASKS, 0, -1)
        for task_id in open_tasks:
            await self.call("TASK.cancel_task", task_id.decode())

    async def _converse(self, model: str) -> dict[str, Any]:
        return await self.call("TASK.start_llm_conversation", "u1", "acme", "How was May?", model=model)

    async def _ask_dependencies(self) -> None:
        """As beat does each minute; twice, for the first time a worker loads what it asks with."""
        for _ in range(2):
            await self.user.valkey.delete(keys.HEALTH)
            message = build_message(celery_name(HEALTH_CHECK), MAINTENANCE, str(uuid.uuid4()), {})
            await self.user.lane.ask("LPUSH", f"{keys.CELERY_PREFIX}{MAINTENANCE}", message)
            await eventually(lambda: self.user.valkey.exists(keys.HEALTH), deadline_s=DEADLINE_S)

    async def _is_told(self) -> bool:
        page = await self.page()
        return page.count("<li>llm_conversation") == 2 and page.count("busy") == len(WORKERS)


@asynccontextmanager
async def running_service(folder: Path) -> AsyncIterator[Lively]:
    """API, a worker for each queue, Valkey, an OpenAI stand-in; the flag is on for some."""
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(cluster=False))
        with valkey.client() as client:
            client.set(keys.FLAG, flag.encode(FLAG))
        openai = stack.enter_context(openai_beside())
        environ = {
            "LISTENERS_SERVICE_TOKEN": TOKEN,
            "OPENAI_BASE_URL": openai.base_url,
            "OPENAI_API_KEY": API_KEY,
            "CELERY_CONCURRENCY": "2",
        }
        for queues, name in WORKERS.items():
            place = folder / name
            place.mkdir()
            own = {**environ, "CELERY_QUEUES": queues, "POD_NAME": name}
            stack.enter_context(running_worker(valkey, place, **own))
        url = stack.enter_context(api_process(valkey, folder / "api.log", POD_NAME=POD, **environ))
        async with listening_user("u1", valkey) as user:
            service = Lively(url, valkey, user, openai)
            try:
                yield service
            finally:
                # A worker that is told to go lets its conversations end.
                await service.end_conversations()
