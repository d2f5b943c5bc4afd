"""A PinnokioService as the plugin sees it: annotations and status, read from the API server's JSON. Pure.

What is not there is None: an older operator says less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract import kubernetes

Json = Mapping[str, Any]
PAUSED_WORDS = frozenset({"true", "1", "yes"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`status`: True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Workers and tasks of one queue. None: the operator could not read it."""

    name: str
    ready: int
    desired: int
    concurrency: int
    waiting: int | None
    in_flight: int | None
    unacked: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """Calls of those for whom the flag is on, or off."""

    calls: int
    errors: int
    p99_ms: int | None


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where the rollout stands. `failed`: why it went back, for a person to read."""

    phase: str
    step: int
    steps: int
    message: str
    next_at: str | None
    on: Cohort | None
    off: Cohort | None
    fallbacks: int | None
    failed: str
    legacy_state: str
    legacy_message: str
    handled_promote: str
    handled_rollback: str


@dataclass(frozen=True, slots=True)
class View:
    """The whole. `flag`: off, on, audience or a percentage; `acknowledged` of `pods` API pods serve by `revision`."""

    namespace: str
    name: str
    generation: int
    observed_generation: int | None
    phase: str | None
    version: str
    flag: str | None
    revision: int | None
    published: bool
    acknowledged: int | None
    pods: int | None
    paused: bool
    rollout_paused: bool
    scaling_paused: str
    rollout: Rollout | None
    components: Sequence[tuple[str, int, int]]
    queues: Sequence[Queue]
    conditions: Sequence[Condition]

    @property
    def is_everywhere(self) -> bool:
        """Whether every ready API pod serves by the newest flag."""
        return self.published and self.acknowledged is not None and self.acknowledged >= (self.pods or 0)


def read_view(document: Json) -> View:
    meta, status = _map(document.get("metadata")), _map(document.get("status"))
    annotations, flag, summary = (
        _map(meta.get("annotations")),
        _map(status.get("flag")),
        _map(status.get("summary")),
    )
    return View(
        namespace=_text(meta.get("namespace")),
        name=_text(meta.get("name")),
        generation=_count(meta.get("generation")) or 0,
        observed_generation=_count(status.get("observedGeneration")),
        phase=_text(status.get("phase")) or None,
        version=_text(summary.get("version")),
        flag=_text(summary.get("flag")) or None,
        revision=_count(flag.get("revision")),
        published=flag.get("published") is True,
        acknowledged=_count(flag.get("acknowledged")),
        pods=_count(flag.get("pods")),
        paused=_is_true(annotations.get(kubernetes.ANNOTATION_PAUSED)),
        rollout_paused=_is_true(annotations.get(kubernetes.ANNOTATION_ROLLOUT_PAUSED)),
        scaling_paused=_text(annotations.get(kubernetes.ANNOTATION_SCALING_PAUSED)),
        rollout=_read_rollout(status.get("rollout")),
        components=[
            (_text(each.get("name")), _count(each.get("ready")) or 0, _count(each.get("desired")) or 0)
            for each in _maps(status.get("components"))
        ],
        queues=[_read_queue(each) for each in _maps(status.get("queues"))],
        conditions=[
            Condition(*(_text(each.get(key)) for key in ("type", "status", "reason", "message")))
            for each in _maps(status.get("conditions"))
        ],
    )


def _read_rollout(raw: object) -> Rollout | None:
    state = _map(raw)
    if not state:
        return None
    figures, failed, legacy = _map(state.get("figures")), _map(state.get("failed")), _map(state.get("legacy"))
    return Rollout(
        phase=_text(state.get("phase")),
        step=_count(state.get("step")) or 0,
        steps=_count(state.get("steps")) or 0,
        message=_text(state.get("message")),
        next_at=_text(state.get("nextAt")) or None,
        on=_read_cohort(figures.get("on")),
        off=_read_cohort(figures.get("off")),
        fallbacks=_count(figures.get("fallbacks")),
        failed=f"step {failed.get('step')}: {failed.get('message')} ({failed.get('at')})" if failed else "",
        legacy_state=_text(legacy.get("state")),
        legacy_message=_text(legacy.get("message")),
        handled_promote=_text(state.get("handledPromote")),
        handled_rollback=_text(state.get("handledRollback")),
    )


def _read_cohort(raw: object) -> Cohort | None:
    cohort = _map(raw)
    if not cohort:
        return None
    p99 = _count(cohort.get("p99Milliseconds"))
    return Cohort(_count(cohort.get("calls")) or 0, _count(cohort.get("errors")) or 0, p99)


def _read_queue(raw: Json) -> Queue:
    return Queue(
        name=_text(raw.get("name")),
        ready=_count(raw.get("ready")) or 0,
        desired=_count(raw.get("desired")) or 0,
        concurrency=_count(raw.get("concurrency")) or 0,
        waiting=_count(raw.get("waiting")),
        in_flight=_count(raw.get("inFlight")),
        unacked=_count(raw.get("unacked")),
        message=_text(raw.get("message")),
    )


def _map(raw: object) -> Json:
    return raw if isinstance(raw, Mapping) else {}


def _maps(raw: object) -> list[Json]:
    return [each for each in raw if isinstance(each, Mapping)] if isinstance(raw, list) else []


def _text(raw: object) -> str:
    """Without control characters: what stands in a resource must not drive a terminal."""
    return "".join(letter for letter in raw if letter.isprintable()) if isinstance(raw, str) else ""


def _count(raw: object) -> int | None:
    return int(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else None


def _is_true(raw: object) -> bool:
    return _text(raw).strip().lower() in PAUSED_WORDS
