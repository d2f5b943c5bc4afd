"""What a service does on a good day, and what happens to it on a bad one: real calls, events, tasks and faults."""

import contextlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from websockets.sync.client import connect

from contract import keys
from contract.queues import DEFAULT, FIGURES, HEALTH_CHECK
from service.domain.events import RESYNC_REQUIRED, TASK_PROGRESS
from service.domain.health import ERROR
from service.domain.tasks import ENDED
from tests.controller.cluster.operator import wait_for
from tests.controller.scaling.broker import Broker
from tests.e2e.client import ANSWER_S, Client
from tests.e2e.monitoring.loaded import LEFT_OFF, LoadedService, Outside
from tests.openai_server.faults import broken, slow
from tests.openai_server.server import OpenAiServer
from tests.prometheus.server import RunningPrometheus

USERS: Final = [f"user{number}" for number in range(40)]
# Whose entries are spoiled; nothing else is asked of them.
LEGACY_SPOILED: Final = "legacy-spoiled"
UNIFIED_SPOILED: Final = "unified-spoiled"
DRIFTED: Final = "drifted"
COMPANY: Final = "acme"
THREADS: Final = 2
PAUSE_S: Final = 0.02
TASK_S: Final = 120.0
TABLE: Final = {"content": "name,amount\nPaper,12.50\nInk,31.00\n", "format": "csv"}
# As many as a user may have open; a worker is at each two for longer than another worker takes to come.
CONVERSATIONS: Final = 10
TOKEN_S: Final = 0.5
# At a time, so that they arrive while more are sent.
FLOOD_EVENTS: Final = 50
EVENT_BYTES: Final = 60_000


class Callers:
    """Registrations, heartbeats and reads, of everybody in turn, until the block ends. What fails is counted."""

    def __init__(self, client: Client) -> None:
        self.failures: Counter[str] = Counter()
        self._client = client
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, turn: int) -> None:
        while not self._stopped.is_set():
            turn += THREADS
            # One in four is of whom the flag stays off for.
            user = LEFT_OFF if turn % 8 < 2 else USERS[turn % len(USERS)]
            session = f"session-of-{user}"
            self._call("REGISTRY.register_user", user, session)
            self._call("UNIFIED_REGISTRY.update_user_heartbeat", user)
            self._call("UNIFIED_REGISTRY.get_user_registry", user)
            self._call("REGISTRY.unregister_session", session)

    def _call(self, method: str, *args: str) -> None:
        try:
            answer = self._client.rpc(method, *args)
            if not answer["ok"]:
                self.failures[answer["error"]["code"]] += 1
        except OSError as error:
            self.failures[repr(error)] += 1
        time.sleep(PAUSE_S)


def load_well(service: LoadedService, client: Client, outside: Outside) -> None:
    """All that succeeds: calls of both cohorts, tasks of several types, events and their replay, a whole rollout."""
    with Callers(client) as callers, _listening(client, USERS[0]) as socket:
        service.await_phase("Complete")
        _hear_analyses(client, socket)
        for _ in range(3):
            _end_tasks(
                client,
                [
                    _start(client, "TASK.start_data_transformation", USERS[1], TABLE, {"format": "json"}),
                    _start(client, "TASK.start_report_generation", USERS[2], COMPANY, "tasks"),
                    _start(client, "TASK.start_llm_conversation", USERS[3], COMPANY, "What do we owe?"),
                ],
            )
        outside.openai.faults.extend([slow(TOKEN_S)] * CONVERSATIONS)
        talks = [_converse(client, USERS[number % 4]) for number in range(CONVERSATIONS)]
        for chore in (FIGURES, HEALTH_CHECK):
            outside.broker.start_chore(chore, DEFAULT)
        service.await_workers("llm", 2)
        outside.openai.faults.clear()
        _end_tasks(client, talks)
        service.await_workers("llm", 1)
        assert all(each["status"] != ERROR for each in outside.read_health().values()), outside.read_health()
    assert not callers.failures, callers.failures


def load_badly(
    service: LoadedService, client: Client, slow_client: Client, outside: Outside, prometheus: RunningPrometheus
) -> None:
    """What should not happen, each seldom enough to be no more than it is, and long enough for Prometheus to see it."""
    with Callers(client):
        _send_nonsense(client)
        _fail_tasks(client, outside.openai)
        _cancel_a_task(client, outside.openai)
        _use_up_a_quota(service, client, outside.openai)
        _spoil_entries(client, outside.broker)
        _let_registries_differ(client, outside.broker, prometheus)
        _leave_a_task(outside.broker, prometheus)
        _read_too_slowly(slow_client, outside.broker)
        _stop_valkey(client, outside, prometheus)
        service.annotate("pinnokio.io/rollback=enough")
        service.await_phase("RolledBack")


def _hear_analyses(client: Client, socket: Any) -> None:
    """On two sockets, and one that comes back for what it missed, and one that comes back too late."""
    for _ in range(3):
        events = client.analyse(USERS[0], {"content": "Invoice 17: total 120.00 EUR"}, uuid.uuid4().hex[:12])
        assert list(events)[-1]["status"] == "completed"
    heard = _next_event(socket, lambda event: "id" in event)
    with _listening(client, USERS[0], since=heard["id"]) as again:
        assert _next_event(again, lambda event: "id" in event)["id"] > heard["id"]
    with _listening(client, USERS[0], since="no-id") as late:
        _next_event(late, lambda event: event["type"] == RESYNC_REQUIRED)


def _next_event(socket: Any, holds: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + ANSWER_S
    while not holds(event := json.loads(socket.recv(timeout=deadline - time.monotonic()))):
        pass
    return event


def _send_nonsense(client: Client) -> None:
    for _ in range(5):
        assert client.rpc("REGISTRY.no_such_method")["error"]["code"] == "METHOD_NOT_FOUND"
        assert client.rpc("REGISTRY.register_user", 17)["error"]["code"] == "INVALID_ARGS"


def _fail_tasks(client: Client, openai: OpenAiServer) -> None:
    for _ in range(2):
        broken_pdf = {"content": "%PDF-1.7 broken", "mime": "application/pdf"}
        openai.faults.extend([broken()] * 10)
        failing = [
            _start(client, "TASK.start_document_analysis", USERS[5], broken_pdf, uuid.uuid4().hex[:12]),
            _converse(client, USERS[5]),
        ]
        _end_tasks(client, failing, "failed")
        openai.faults.clear()


def _cancel_a_task(client: Client, openai: OpenAiServer) -> None:
    """While it runs."""
    talk = _begin_talk(client, openai, USERS[8])
    assert client.rpc("TASK.cancel_task", talk)["data"]["success"]
    _end_tasks(client, [talk], "cancelled")


def _use_up_a_quota(service: LoadedService, client: Client, openai: OpenAiServer) -> None:
    """Conversations that a user may not start beside those that are open; processes of the open ones die once."""
    openai.faults.extend([slow(TOKEN_S)] * CONVERSATIONS)
    talks = [_converse(client, USERS[6]) for _ in range(CONVERSATIONS)]
    for _ in range(3):
        answer = client.rpc("TASK.start_llm_conversation", USERS[6], COMPANY, "And what else?")["data"]
        assert not answer["success"], answer
        assert "max_tasks_per_user" in answer["error"]
    service.await_workers("llm", 2)
    service.kill_processes_of_a_worker("llm")
    openai.faults.clear()
    _end_tasks(client, talks[4:])


def _spoil_entries(client: Client, broker: Broker) -> None:
    """Entries of a kind that cannot be written: of the legacy registry the call fails, of the unified one it is kept
    from the caller."""
    with broker.client() as valkey:
        for user in (LEGACY_SPOILED, LEFT_OFF):
            valkey.set(keys.legacy_user(user), "spoiled")
        valkey.set(keys.unified_user(UNIFIED_SPOILED), "spoiled")
        for _ in range(10):
            # Far more failures than the share of calls that wakes somebody, however quick the others are.
            for user, is_ok in (*[(LEGACY_SPOILED, False)] * 10, (UNIFIED_SPOILED, True)):
                answer = client.rpc("REGISTRY.register_user", user, f"session-of-{user}")
                assert answer["ok"] is is_ok, answer
            time.sleep(0.3)
        valkey.delete(*map(keys.legacy_user, (LEGACY_SPOILED, LEFT_OFF)), keys.unified_user(UNIFIED_SPOILED))


def _read_too_slowly(client: Client, broker: Broker) -> None:
    """A socket that nobody reads, and events until it is closed: all that is between holds some 25 MB."""
    user = "reads-nothing"
    payload = {"task_id": "flood", "status": "processing", "progress": 1, "current_step": "x" * EVENT_BYTES, "data": {}}
    envelope = json.dumps({"type": TASK_PROGRESS, "uid": user, "timestamp": "2026-01-01T00:00:00Z", "payload": payload})
    with _listening(client, user, max_queue=1), broker.client() as valkey:

        def publish() -> int:
            pipeline = valkey.pipeline(transaction=False)
            for _ in range(FLOOD_EVENTS):
                pipeline.publish(keys.relay_channel(user), envelope)
            heard: int = pipeline.execute()[-1]
            return heard

        # How many subscriptions heard it: the one of the API's process, for as long as it has a socket of this user.
        wait_for(publish, lambda heard: heard == 1, ANSWER_S)
        wait_for(publish, lambda heard: heard == 0, ANSWER_S)


def _let_registries_differ(client: Client, broker: Broker, prometheus: RunningPrometheus) -> None:
    """Somebody writes to the legacy registry past this service."""
    assert client.rpc("REGISTRY.register_user", DRIFTED, f"session-of-{DRIFTED}")["ok"]
    with broker.client() as valkey:
        valkey.hset(keys.legacy_user(DRIFTED), "session_id", "another")
    broker.start_chore(FIGURES, DEFAULT)
    _await_alerts(prometheus, "PinnokioRegistryDrift")


def _leave_a_task(broker: Broker, prometheus: RunningPrometheus) -> None:
    """One that was to be looked at five minutes ago. Whoever looks takes it away: it is left until it was seen."""
    with broker.client() as valkey:

        def leave() -> None:
            valkey.zadd(keys.OPEN_TASKS, {"left": (time.time() - 300) * 1000})

        _await_alerts(prometheus, "PinnokioTasksStuck", before=leave)


def _stop_valkey(client: Client, outside: Outside, prometheus: RunningPrometheus) -> None:
    """While a conversation is under way."""
    _begin_talk(client, outside.openai, USERS[7])
    outside.broker.pause()
    try:
        _await_alerts(prometheus, "PinnokioValkeyDown", "PinnokioQueueUnreadable")
    finally:
        outside.broker.resume()


def _await_alerts(prometheus: RunningPrometheus, *alerts: str, before: Callable[[], object] = lambda: None) -> None:
    """Until these are seen at the same time, pending at least; `before` is done before each look."""

    def read() -> set[str]:
        before()
        return {each["metric"]["alertname"] for each in prometheus.ask("ALERTS")}

    wait_for(read, lambda seen: seen.issuperset(alerts), TASK_S)


def _begin_talk(client: Client, openai: OpenAiServer, user: str) -> str:
    """A conversation that has been begun, and takes a while."""
    openai.faults.append(slow(TOKEN_S))
    task_id = _converse(client, user)
    wait_for(lambda: len(openai.faults), lambda left: left == 0, TASK_S)
    return task_id


def _converse(client: Client, user: str) -> str:
    return _start(client, "TASK.start_llm_conversation", user, COMPANY, "And what do others owe to us this month?")


def _start(client: Client, method: str, *args: Any) -> str:
    """The task's id."""
    answer = client.rpc(method, *args)
    assert answer["ok"], answer
    assert answer["data"]["success"], answer
    task_id: str = answer["data"]["task_id"]
    return task_id


def _end_tasks(client: Client, task_ids: list[str], how: str = "completed") -> None:
    def read(task_id: str) -> Any:
        return client.rpc("TASK.get_task_status", task_id)["data"]

    for task_id in task_ids:
        entry = wait_for(partial(read, task_id), lambda seen: seen["status"] in ENDED, TASK_S)
        assert entry["status"] == how, entry


@contextlib.contextmanager
def _listening(client: Client, user: str, since: str = "", max_queue: int | None = None) -> Iterator[Any]:
    """A WebSocket of the user; `since`: the id of the last event that it had, `max_queue`: events that it reads ahead
    (None: all)."""
    address = f"ws://{client.address}/ws?uid={user}" + (f"&since={since}" if since else "")
    with connect(address, compression=None, open_timeout=ANSWER_S, close_timeout=1, max_queue=max_queue) as socket:
        yield socket
