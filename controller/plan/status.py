"""The whole status of a PinnokioService, and when it is worth a write."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from contract.flag import FlagDocument
from controller.manifests.target import API, WORKER, Target
from controller.model.rollout_status import LegacyState, RolloutStatus
from controller.model.service import PinnokioService
from controller.model.status import ComponentStatus, FlagStatus, QueueStatus, Status, Summary
from controller.plan.conditions import Finding, plan_conditions, plan_phase
from controller.plan.health import Part
from controller.plan.scaling import FAREWELLS, QueueView

# Figures alone are written at most this often; live figures are metrics.
FIGURES_INTERVAL: Final = timedelta(seconds=10)


def plan_status(
    service: PinnokioService, target: Target | None, found: Finding, published: bool, now: datetime
) -> Status:
    """What is to be told. `target` None: no spec is known that can be acted on, and there are no figures."""
    previous = service.status
    conditions = plan_conditions(found, previous, service.generation, now)
    status = Status(
        observed_generation=service.generation,
        phase=plan_phase(conditions, previous),
        conditions=conditions,
    )
    if target is None:
        # What the rollout remembers must outlive a spec that cannot be read.
        kept = {"flag": previous.flag, "rollout": previous.rollout} if previous else {}
        return status.model_copy(update=kept)
    return status.model_copy(
        update={
            "components": tuple(_component(part) for part in found.parts if part.component != WORKER),
            "queues": tuple(_queue(part, target, found.queues) for part in found.parts if part.component == WORKER),
            "flag": FlagStatus(
                revision=target.flag.revision,
                enabled=target.flag.enabled,
                published=published,
                acknowledged=found.acknowledged,
                pods=found.flag_pods,
                legacy_writes=target.flag.legacy_writes,
            ),
            "rollout": found.rollout,
            "summary": _summary(target, found),
        }
    )


def next_status_write(
    previous: Status | None, planned: Status, written: datetime | None, now: datetime
) -> timedelta | None:
    """How long to wait before `planned` is written: zero for what conditions, phase or flag say, else until
    FIGURES_INTERVAL after the last write (`written`; None: none by this process). None: nothing changed.
    """
    if previous == planned:
        return None
    if previous is None or written is None or _words(previous) != _words(planned):
        return timedelta()
    return max(timedelta(), written + FIGURES_INTERVAL - now)


def plan_farewells(before: Status | None, now: Status) -> tuple[QueueStatus, ...]:
    """Queues that are newly told to be served though they are not in the spec."""
    known = {(queue.name, queue.decision) for queue in before.queues} if before else set()
    return tuple(
        queue for queue in now.queues if queue.decision in FAREWELLS and (queue.name, queue.decision) not in known
    )


def _words(status: Status) -> tuple[object, ...]:
    said = tuple((each.type, each.status, each.reason, each.observed_generation) for each in status.conditions)
    return (status.observed_generation, status.phase, said, _flag_words(status.flag), rollout_words(status.rollout))


def _flag_words(flag: FlagStatus | None) -> tuple[object, ...] | None:
    """Of the acknowledgements only whether they are all there."""
    if flag is None:
        return None
    return (flag.revision, flag.enabled, flag.published, flag.legacy_writes, flag.acknowledged == flag.pods)


def rollout_words(rollout: RolloutStatus | None) -> RolloutStatus | None:
    """What decides, without figures and their words."""
    if rollout is None:
        return None
    legacy = rollout.legacy.model_copy(update={"message": ""})
    return rollout.model_copy(update={"figures": None, "message": "", "percent": None, "legacy": legacy})


def _component(part: Part) -> ComponentStatus:
    return ComponentStatus(name=part.name, desired=part.desired, ready=part.ready, updated=part.updated)


def _queue(part: Part, target: Target, views: Mapping[str, QueueView]) -> QueueStatus:
    view = views.get(part.name)
    specs = (*target.spec.queues, *target.adopted_queues)
    reading, decision = (view.reading, view.decision) if view else (None, None)
    return QueueStatus(
        name=part.name,
        desired=part.desired,
        ready=part.ready,
        updated=part.updated,
        concurrency=next((queue.concurrency for queue in specs if queue.name == part.name), 0),
        waiting=reading.waiting if reading else None,
        in_flight=reading.active if reading else None,
        unacked=reading.unacked if reading else None,
        decision=decision.reason.value if decision else None,
        message=decision.message if decision else None,
    )


def _summary(target: Target, found: Finding) -> Summary:
    parts = found.parts
    queues = [part for part in parts if part.component == WORKER]
    api = next(part for part in parts if part.component == API)
    return Summary(
        api=f"{api.ready}/{api.desired}",
        queues=f"{sum(part.is_ready for part in queues)}/{len(queues)}",
        flag=_flag_word(target.flag),
        rollout=_rollout_word(found.rollout),
        acknowledged="?" if found.acknowledged is None else f"{found.acknowledged}/{found.flag_pods}",
        version=target.spec.effective_version,
    )


def _rollout_word(rollout: RolloutStatus | None) -> str:
    if rollout is None:
        return ""
    if rollout.legacy.state is LegacyState.RESTORING:
        return "RestoringLegacy"
    return f"{rollout.phase} {rollout.step}/{rollout.steps}" if rollout.steps else rollout.phase


def _flag_word(document: FlagDocument) -> str:
    if not document.enabled:
        return "off"
    if document.percent_bp is not None:
        return f"{document.percent_bp / 100:g}%"
    return "audience" if document.users or document.companies else "on"
