"""A worker that serves the queue `llm`, the stand-in for OpenAI that it asks, and the application on its Valkey."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.settings import OpenAiSettings
from tests.openai_server.server import API_KEY, OpenAiServer, openai_beside
from tests.service.application import Api
from tests.service.running_worker import User, Worker, running_worker
from tests.service.valkey_server import RunningValkey, free_port

Event = dict[str, Any]
UPDATE = "llm.conversation_update"
COMPLETE = "llm.conversation_complete"


@pytest.fixture(scope="module")
def openai_server() -> Iterator[OpenAiServer]:
    with openai_beside() as server:
        yield server


@pytest.fixture
def openai(openai_server: OpenAiServer) -> OpenAiServer:
    """The stand-in, with no faults and no requests yet."""
    openai_server.faults.clear()
    openai_server.requests.clear()
    openai_server.hung_up = 0
    return openai_server


@pytest.fixture
def openai_settings(openai: OpenAiServer) -> OpenAiSettings:
    return OpenAiSettings(openai.base_url, "text-embedding-ada-002", API_KEY)


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def worker(
    shared_valkey: RunningValkey,
    openai_server: OpenAiServer,
    tmp_path_factory: pytest.TempPathFactory,
    metrics_port: int,
) -> Iterator[Worker]:
    """A worker process that serves conversations, and logs all that it may."""
    environ = {
        "CELERY_QUEUES": "llm",
        "OPENAI_BASE_URL": openai_server.base_url,
        "OPENAI_API_KEY": API_KEY,
        "LLM_HISTORY_TOKENS": "200",
        "LLM_PRICES": "priced=1000/2000",
        "WORKER_METRICS_PORT": str(metrics_port),
    }
    with running_worker(shared_valkey, tmp_path_factory.mktemp("worker"), **environ) as running:
        yield running


class Talk:
    """Starts conversations by RPC, as the user whose events it hears."""

    def __init__(self, api: Api, user: User) -> None:
        self.api = api
        self.user = user

    async def start(self, prompt: str, **arguments: Any) -> dict[str, Any]:
        given = {"user_id": self.user.user_id, "company_id": "acme", "prompt": prompt, **arguments}
        answer: dict[str, Any] = await self.api.data("TASK.start_llm_conversation", kwargs=given)
        return answer

    async def ask(self, prompt: str, **arguments: Any) -> list[Event]:
        """The events of one turn."""
        answer = await self.start(prompt, **arguments)
        assert answer["success"], answer
        return await self.events(answer["conversation_id"])

    async def events(self, conversation_id: str, until: Callable[[Event], bool] | None = None) -> list[Event]:
        """Those of a conversation until its turn's end, or the first for which `until` holds; each without envelope."""
        found: list[Event] = []
        while True:
            event = await self.user.next_event()
            payload = event["payload"]
            if conversation_id in (payload.get("conversation_id"), payload.get("task_id")):
                found.append(event)
                if (until or is_end)(event):
                    return found


def is_end(event: Event) -> bool:
    return event["type"] == COMPLETE or (
        event["type"] == UPDATE and event["payload"]["status"] in ("failed", "cancelled")
    )


def deltas(events: list[Event]) -> list[Event]:
    return [event for event in events if event["type"] == UPDATE and "delta" in event["payload"]["data"]]


def steps(events: list[Event], event_type: str = UPDATE) -> list[tuple[str, int]]:
    """Status and progress of the events that carry no piece of text."""
    return [
        (event["payload"]["status"], event["payload"]["progress"])
        for event in events
        if event["type"] == event_type and "delta" not in event["payload"]["data"]
    ]


@pytest.fixture
async def talk(worker: Worker, openai: OpenAiServer, api_on: Api, user: User) -> Talk:
    return Talk(api_on, user)
