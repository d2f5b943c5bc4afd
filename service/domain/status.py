"""What GET /status shows, in words: pure, of what was read, with `now` passed in.

What is not known is said to be so, and is never 0. Reading is `service.store.status`', drawing is
`service.api.status_page`'s.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from contract.flag import FlagDocument
from service.domain.failures import Failure
from service.domain.health import DISABLED, ERROR, OK, OLD_S, SKIPPED, Answer, HealthCheck
from service.domain.reports.units import UNKNOWN, show_duration
from service.domain.storage import format_size

Tone = Literal["ok", "warn", "bad", "off"]

# Workers beat every two seconds. One that is silent for long is gone, and is shown no more.
SILENT_AFTER_S: Final = 10.0
GONE_AFTER_S: Final = 600.0
# A message that waits this long beside living workers is worth a look; so is a failure this young.
LONG_WAIT_S: Final = 60.0
RECENT_S: Final = 600.0
# As the operator counts them: a process renews its acknowledgement each half minute.
ACK_LIVES_S: Final = 90.0
_VALKEY: Final = "Valkey"
_ASKED_BY_WORKERS: Final = {"firestore": "Firestore", "chroma": "Chroma", "openai": "OpenAI endpoint"}


class Running(msgspec.Struct, frozen=True, array_like=True):
    """A task in a heartbeat. `task_id` None: a chore; `since`: seconds since 1970."""

    task_type: str
    task_id: str | None
    since: float


class Beat(msgspec.Struct, frozen=True):
    """A worker's heartbeat. Times are seconds since 1970 by its own clock; `since` 0: an older version's."""

    active: int
    slots: int
    seen_at: float
    since: float = 0.0
    running: tuple[Running, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """None: could not be read. `oldest_s` None: also for a message that does not say when it was sent."""

    waiting: int | None
    oldest_s: float | None
    beats: Mapping[str, Beat] | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found. `valkey_latency_ms` None: Valkey does not answer, and nothing else of it is known.

    `acknowledged`: revision and time of each API process; `failures`: with ms since 1970, the newest first.
    """

    valkey_latency_ms: float | None
    flag: FlagDocument
    queues: Mapping[str, QueueSeen] = field(default_factory=dict)
    acknowledged: Sequence[tuple[int, float]] | None = None
    failures: Sequence[tuple[Failure, float]] | None = None
    health: HealthCheck | None = None
    stuck: int | None = None
    memory_used_bytes: int | None = None
    memory_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """The process that answers."""

    version: str
    region: str
    pod: str
    uptime_s: float
    sockets: int


@dataclass(frozen=True, slots=True)
class Flag:
    tone: Tone
    state: str
    percent: float | None
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    waiting: str
    oldest: str
    running: str
    workers: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Task:
    task_type: str
    task_id: str
    since: str


@dataclass(frozen=True, slots=True)
class Worker:
    name: str
    queues: str
    busy: str
    since: str
    silent: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    task_type: str
    task_id: str
    error: str
    ago: str
    at: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class Dependency:
    name: str
    tone: Tone
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Look:
    """Something that somebody should look at."""

    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """The page. `queues`, `workers`, `failures` None: not known."""

    tone: Tone
    headline: str
    looks: tuple[Look, ...]
    at: str
    process: tuple[tuple[str, str], ...]
    flag: Flag
    queues: tuple[Queue, ...] | None
    workers: tuple[Worker, ...] | None
    failures: tuple[Failed, ...] | None
    dependencies: tuple[Dependency, ...]


def build_status(seen: Seen, process: Process, now: float) -> Status:
    """The page's words. Its tone is that of the worst that needs a look."""
    is_up = seen.valkey_latency_ms is not None
    looks = tuple(sorted(_find_looks(seen, now), key=lambda look: look.tone != "bad"))
    tone: Tone = "bad" if any(look.tone == "bad" for look in looks) else "warn" if looks else "ok"
    return Status(
        tone=tone,
        headline={"ok": "All is well", "warn": "Something needs a look", "bad": "Something is wrong"}[tone],
        looks=looks,
        at=_write_time(now),
        process=(
            ("version", process.version),
            ("pod", process.pod),
            *((("region", process.region),) if process.region else ()),
            ("up for", show_duration(process.uptime_s)),
            ("sockets", f"{process.sockets:,}"),
        ),
        flag=_build_flag(seen, now),
        queues=tuple(_build_queue(name, queue, now) for name, queue in seen.queues.items()) if is_up else None,
        workers=tuple(_build_workers(seen.queues, now)) if is_up else None,
        failures=None if seen.failures is None else tuple(_build_failures(seen.failures, now)),
        dependencies=tuple(_build_dependencies(seen, now)),
    )


def _find_looks(seen: Seen, now: float) -> Iterator[Look]:
    if seen.valkey_latency_ms is None:
        yield Look("bad", "Valkey does not answer: what it holds is not known, and calls fail")
        return
    for dependency in _build_dependencies(seen, now):
        if dependency.tone == "bad":
            yield Look("bad", f"{dependency.name}: {dependency.detail or dependency.state}")
    if seen.health is None or now - seen.health.checked_at > OLD_S:
        yield Look("warn", "no worker has asked the dependencies lately: do beat and a worker of maintenance run?")
    for name, queue in seen.queues.items():
        yield from _look_at_queue(name, queue, now)
    if seen.stuck:
        yield Look("warn", f"{_count(seen.stuck, 'open task')} should have been looked at: does maintenance run?")
    recent = sum(now - at_ms / 1000 < RECENT_S for _, at_ms in seen.failures or ())
    if recent:
        yield Look("warn", f"{_count(recent, 'task')} failed within {RECENT_S / 60:.0f} min")


def _look_at_queue(name: str, queue: QueueSeen, now: float) -> Iterator[Look]:
    """In this order: unknown; somebody waits and nobody works; the oldest waits long; a worker is silent."""
    if queue.waiting is None or queue.beats is None:
        yield Look("warn", f"queue {name} could not be read")
        return
    alive = [beat for beat in queue.beats.values() if now - beat.seen_at <= SILENT_AFTER_S]
    if queue.waiting and not alive:
        yield Look("bad", f"queue {name}: {queue.waiting:,} waiting, and no worker")
    elif queue.oldest_s is not None and queue.oldest_s > LONG_WAIT_S:
        yield Look("warn", f"queue {name}: the oldest has waited for {show_duration(queue.oldest_s)}")
    for worker, beat in sorted(queue.beats.items()):
        if SILENT_AFTER_S < now - beat.seen_at <= GONE_AFTER_S:
            yield Look("warn", f"worker {worker} of {name}: silent for {show_duration(now - beat.seen_at)}")


def _build_flag(seen: Seen, now: float) -> Flag:
    """Cases in order: not enabled → off; a percentage → that and who is named; names alone → those; else everybody."""
    document = seen.flag
    named = [
        _count(len(names), word) for names, word in ((document.users, "user"), (document.companies, "company")) if names
    ]
    share = None if document.percent_bp is None else document.percent_bp / 100
    if not document.enabled:
        tone, state, share = "off", "off", 0.0
    elif share is not None:
        tone, state = "ok", " and ".join((f"{share:g} %", *named))
    elif named:
        tone, state, share = "ok", " and ".join(named), 0.0
    else:
        tone, state, share = "ok", "everybody", 100.0
    facts = [("revision", str(document.revision)), ("serving by it", _write_acknowledged(seen, now))]
    if document.exclude_users:
        facts.append(("excluded", _count(len(document.exclude_users), "user")))
    facts.append(("legacy registry", "written too" if document.legacy_writes else "written no more"))
    if document.debug:
        facts.append(("decisions", "logged"))
    if document.log_level:
        facts.append(("log level", document.log_level))
    return Flag("off" if tone == "off" else "ok", state, share, tuple(facts))


def _write_acknowledged(seen: Seen, now: float) -> str:
    if seen.acknowledged is None:
        return UNKNOWN
    alive = [revision for revision, at in seen.acknowledged if now - at <= ACK_LIVES_S]
    return f"{sum(revision >= seen.flag.revision for revision in alive)} of {_count(len(alive), 'API process')}"


def _build_queue(name: str, queue: QueueSeen, now: float) -> Queue:
    alive = [beat for beat in (queue.beats or {}).values() if now - beat.seen_at <= SILENT_AFTER_S]
    looks = list(_look_at_queue(name, queue, now))
    tone: Tone = looks[0].tone if looks else "ok" if alive else "off"
    is_read = queue.beats is not None
    return Queue(
        name=name,
        waiting=UNKNOWN if queue.waiting is None else f"{queue.waiting:,}",
        oldest="–" if queue.waiting == 0 else UNKNOWN if queue.oldest_s is None else show_duration(queue.oldest_s),
        running=f"{sum(beat.active for beat in alive)} of {sum(beat.slots for beat in alive)}" if is_read else UNKNOWN,
        workers=str(len(alive)) if is_read else UNKNOWN,
        tone=tone,
    )


def _build_workers(queues: Mapping[str, QueueSeen], now: float) -> Iterator[Worker]:
    """Each once, with all its queues; the busiest first."""
    newest: dict[str, Beat] = {}
    served: dict[str, list[str]] = {}
    for queue, read in queues.items():
        for name, beat in (read.beats or {}).items():
            if now - beat.seen_at > GONE_AFTER_S:
                continue
            served.setdefault(name, []).append(queue)
            newest[name] = max(beat, newest.get(name, beat), key=lambda each: each.seen_at)
    for name, beat in sorted(newest.items(), key=lambda item: (-item[1].active, item[0])):
        silent_s = now - beat.seen_at
        yield Worker(
            name=name,
            queues=", ".join(served[name]),
            busy=f"{beat.active} of {beat.slots}",
            since=show_duration(max(0.0, now - beat.since)) if beat.since else UNKNOWN,
            silent=show_duration(silent_s) if silent_s > SILENT_AFTER_S else "",
            tasks=tuple(
                Task(task.task_type, task.task_id or "", show_duration(max(0.0, now - task.since)))
                for task in beat.running
            ),
        )


def _build_failures(failures: Iterable[tuple[Failure, float]], now: float) -> Iterator[Failed]:
    """Each run once: one that was told twice may have been told in two ways."""
    told: set[tuple[str, int]] = set()
    for failure, at_ms in failures:
        if (failure.task_id, failure.run) in told:
            continue
        told.add((failure.task_id, failure.run))
        yield Failed(
            failure.task_type,
            failure.task_id,
            failure.error or UNKNOWN,
            f"{show_duration(max(0.0, now - at_ms / 1000))} ago",
            _write_time(at_ms / 1000),
            failure.trace_id or "",
        )


def _build_dependencies(seen: Seen, now: float) -> Iterator[Dependency]:
    """Valkey as it answered just now, the others as a worker found them last."""
    if seen.valkey_latency_ms is None:
        yield Dependency(_VALKEY, "bad", "down", "no answer")
    else:
        yield Dependency(_VALKEY, "ok", _write_latency(seen.valkey_latency_ms), _write_memory(seen))
    is_new = seen.health is not None and now - seen.health.checked_at <= OLD_S
    answers = seen.health.dependencies if seen.health is not None and is_new else {}
    for name, shown in _ASKED_BY_WORKERS.items():
        yield _build_dependency(shown, answers.get(name, Answer(SKIPPED)))


def _build_dependency(name: str, answer: Answer) -> Dependency:
    if answer.status == OK:
        return Dependency(name, "ok", "up" if answer.latency_ms is None else _write_latency(answer.latency_ms), "")
    if answer.status == ERROR:
        return Dependency(name, "bad", "down", answer.error or "")
    if answer.status == DISABLED:
        return Dependency(name, "off", "not configured", "")
    return Dependency(name, "warn", UNKNOWN, "no worker has asked it lately")


def _write_latency(latency_ms: float) -> str:
    return f"{latency_ms:.1f} ms" if latency_ms < 1000 else show_duration(latency_ms / 1000)


def _write_memory(seen: Seen) -> str:
    if seen.memory_used_bytes is None:
        return ""
    used = format_size(seen.memory_used_bytes)
    return f"{used} of {format_size(seen.memory_max_bytes)}" if seen.memory_max_bytes else f"{used} used"


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y %H:%M:%S UTC")


def _count(number: int, word: str) -> str:
    """`1 user`, `3 users`, `2 companies`."""
    if number == 1:
        return f"1 {word}"
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number:,} {plural}"
