"""What /status says, of what was seen."""

from dataclasses import replace
from typing import Any

import pytest

from contract.flag import FlagDocument
from service.domain.failures import MAX_ERROR_CHARS, Failure
from service.domain.health import DISABLED, ERROR, OK, Answer, HealthCheck
from service.domain.status import Beat, Process, QueueSeen, Running, Seen, Status, build_status

NOW = 1_800_000_000.0
PROCESS = Process("1.2.3", "", "api-7", 3_725.0, 12)
ANSWERS = {"firestore": Answer(DISABLED), "chroma": Answer(OK, 3.14), "openai": Answer(OK, 1210.0)}
CALM = Seen(
    valkey_latency_ms=0.42,
    flag=FlagDocument(revision=7, enabled=True),
    queues={
        "default": QueueSeen(0, 0.0, {"worker-1": Beat(1, 4, NOW - 1, NOW - 60, (Running("cleanup", None, NOW),))})
    },
    acknowledged=((7, NOW - 5), (6, NOW - 5), (7, NOW - 500)),
    failures=(),
    health=HealthCheck(NOW - 20, "worker-1:7", ANSWERS),
    stuck=0,
    memory_used_bytes=3 * 1024 * 1024,
    memory_max_bytes=384 * 1024 * 1024,
)


def build(**seen: Any) -> Status:
    return build_status(replace(CALM, **seen), PROCESS, NOW)


def test_a_calm_service() -> None:
    status = build()
    assert (status.tone, status.headline, status.looks) == ("ok", "All is well", ())
    assert status.process == (("version", "1.2.3"), ("pod", "api-7"), ("up for", "1 h 2 min"), ("sockets", "12"))
    (queue,) = status.queues or ()
    assert (queue.waiting, queue.oldest, queue.running, queue.workers, queue.tone) == ("0", "–", "1 of 4", "1", "ok")
    (worker,) = status.workers or ()
    assert (worker.name, worker.busy, worker.since, worker.silent) == ("worker-1", "1 of 4", "1 min 0 s", "")
    assert [(each.name, each.tone, each.state, each.detail) for each in status.dependencies] == [
        ("Valkey", "ok", "0.4 ms", "3.00 MB of 384.00 MB"),
        ("Firestore", "off", "not configured", ""),
        ("Chroma", "ok", "3.1 ms", ""),
        ("OpenAI endpoint", "ok", "1.2 s", ""),
    ]


@pytest.mark.parametrize(
    ("document", "state", "percent"),
    [
        (FlagDocument(users=("ann",)), "off", 0.0),
        (FlagDocument(enabled=True), "everybody", 100.0),
        (FlagDocument(enabled=True, percent_bp=50), "0.5 %", 0.5),
        (FlagDocument(enabled=True, percent_bp=5000, users=("ann",)), "50 % and 1 user", 50.0),
        (FlagDocument(enabled=True, users=("a", "b"), companies=("acme", "beta")), "2 users and 2 companies", 0.0),
    ],
)
def test_for_whom_the_flag_is_on(document: FlagDocument, state: str, percent: float) -> None:
    flag = build(flag=document).flag
    assert (flag.state, flag.percent) == (state, percent)


def test_facts_of_the_flag() -> None:
    document = FlagDocument(
        revision=7, enabled=True, exclude_users=("x",), legacy_writes=False, debug=True, log_level="DEBUG"
    )
    assert build(flag=document).flag.facts == (
        ("revision", "7"),
        ("serving by it", "1 of 2 API processes"),
        ("excluded", "1 user"),
        ("legacy registry", "written no more"),
        ("decisions", "logged"),
        ("log level", "DEBUG"),
    )
    assert ("serving by it", "unknown") in build(acknowledged=None).flag.facts


QUIET = Beat(0, 4, NOW - 40)


@pytest.mark.parametrize(
    ("seen", "tone", "text"),
    [
        ({"queues": {"llm": QueueSeen(12, 3.0, {})}}, "bad", "queue llm: 12 waiting, and no worker"),
        (
            {"queues": {"llm": QueueSeen(12, 3.0, {"gone": Beat(4, 4, NOW - 700)})}},
            "bad",
            "queue llm: 12 waiting, and no worker",
        ),
        (
            {"queues": {"llm": QueueSeen(2, 90.0, {"w": Beat(4, 4, NOW)})}},
            "warn",
            "queue llm: the oldest has waited for 1 min 30 s",
        ),
        ({"queues": {"llm": QueueSeen(0, 0.0, {"w": QUIET})}}, "warn", "worker w of llm: silent for 40 s"),
        ({"queues": {"llm": QueueSeen(None, None, None)}}, "warn", "queue llm could not be read"),
        (
            {"health": HealthCheck(NOW, "w", {**ANSWERS, "chroma": Answer(ERROR, error="no answer")})},
            "bad",
            "Chroma: no answer",
        ),
        (
            {"health": HealthCheck(NOW - 300, "w", ANSWERS)},
            "warn",
            "no worker has asked the dependencies lately: do beat and a worker of maintenance run?",
        ),
        ({"stuck": 2}, "warn", "2 open tasks should have been looked at: does maintenance run?"),
        (
            {"failures": ((Failure("t", "x", 1, "e"), (NOW - 30) * 1000),)},
            "warn",
            "1 task failed within 10 min",
        ),
    ],
)
def test_what_needs_a_look(seen: dict[str, Any], tone: str, text: str) -> None:
    status = build(**seen)
    assert [(look.tone, look.text) for look in status.looks] == [(tone, text)]
    assert status.tone == tone


def test_a_sleeping_queue_needs_none() -> None:
    status = build(queues={"llm": QueueSeen(0, 0.0, {})})
    assert status.tone == "ok"
    assert [(queue.tone, queue.workers) for queue in status.queues or ()] == [("off", "0")]


def test_the_worst_comes_first() -> None:
    looks = build(stuck=1, queues={"llm": QueueSeen(1, 1.0, {})}).looks
    assert [look.tone for look in looks] == ["bad", "warn"]


def test_without_valkey_nothing_is_made_up() -> None:
    status = build_status(Seen(None, FlagDocument(revision=3, enabled=True)), PROCESS, NOW)
    assert (status.tone, status.queues, status.workers, status.failures) == ("bad", None, None, None)
    assert status.flag.state == "everybody"
    assert {each.state for each in status.dependencies} == {"down", "unknown"}


def test_a_worker_of_several_queues_is_one() -> None:
    beat = Beat(2, 4, NOW, 0.0, (Running("ml_analysis", "t-1", NOW - 65),))
    status = build(queues={"a": QueueSeen(0, 0.0, {"w": beat}), "b": QueueSeen(0, 0.0, {"w": beat})})
    (worker,) = status.workers or ()
    assert (worker.queues, worker.since) == ("a, b", "unknown")
    assert [(task.task_type, task.task_id, task.since) for task in worker.tasks] == [
        ("ml_analysis", "t-1", "1 min 5 s")
    ]


def test_a_failure_told_twice_is_one() -> None:
    told = [(Failure("t", "x", 1, error), (NOW - 700) * 1000) for error in ("late", "early")]
    (failed,) = build(failures=(*told, (Failure("t", "x", 2, "again"), 0.0))[:2]).failures or ()
    assert (failed.error, failed.ago, failed.at) == ("late", "11 min 40 s ago", "15 Jan 2027 07:48:20 UTC")


def test_a_long_error_is_cut() -> None:
    cut = Failure("t", "x", 1, "e" * 1000).shortened().error
    assert (len(cut), cut[-1]) == (MAX_ERROR_CHARS, "…")
