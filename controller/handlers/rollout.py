"""The rollout's part of a reconcile: what the kept state means now, what was observed, and what is kept next."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from contract.flag import FlagDocument
from controller.cluster.events import EventWriter
from controller.handlers.figures import FigureSampler, Window
from controller.handlers.flag import FlagState
from controller.manifests.target import API, Target
from controller.model.observed import Observed, ObservedObject
from controller.model.rollout import Rollout
from controller.model.rollout_status import RolloutFigures, RolloutStatus
from controller.model.service import PinnokioService, ServiceKey
from controller.model.spec import PinnokioServiceSpec
from controller.plan.audience import plan_audience, plan_share
from controller.plan.conditions import Finding
from controller.plan.interval import next_look, read_time
from controller.plan.jobs import read_job
from controller.plan.legacy import LegacySeen, next_legacy, next_legacy_look, read_asked
from controller.plan.rollout import (
    WATCHED,
    FlagSeen,
    Requests,
    enter_rollout,
    next_rollout_step,
)
from controller.plan.rollout_events import find_rollout_events


class RolloutKeeper:
    """Between the pure decisions and what they are about."""

    def __init__(self, sampler: FigureSampler, events: EventWriter) -> None:
        self._sampler = sampler
        self._events = events

    def enter(self, service: PinnokioService, spec: PinnokioServiceSpec, known: FlagDocument | None) -> RolloutStatus:
        """What is in force. `known`: the newest document that was published."""
        before = service.status.rollout if service.status else None
        requests = _requests(service)
        return enter_rollout(spec.unified_registry, spec.image, before, known, requests, datetime.now(UTC))

    def decide(
        self,
        service: PinnokioService,
        target: Target,
        state: RolloutStatus,
        flag: FlagState,
        found: Finding,
        restored: str,
        observed: Observed,
    ) -> RolloutStatus:
        """What is to be kept next. `restored`: how far live users were copied back, in words.

        A service whose reconciling is paused stays where it is.
        """
        if service.paused:
            self._sampler.forget(service.key)
            return (service.status.rollout if service.status else None) or state
        registry, now, requests = target.spec.unified_registry, datetime.now(UTC), _requests(service)
        seen = FlagSeen(
            published=flag.document == target.flag,
            fault=flag.fault,
            acknowledged=found.acknowledged,
            pods=len(ready_api_pods(observed)),
            figures=self._figures(service.key, registry.rollout, state),
        )
        after = next_rollout_step(registry, target.spec.image, state, seen, requests, now)
        jobs = LegacySeen(
            known=target.flag,
            verify=read_job(target, "verify", observed),
            restore=read_job(target, "restore-legacy", observed),
            restored=restored,
            trouble=str(found.job_problem or ""),
        )
        after = next_legacy(registry, after, seen, jobs, now, read_asked(state, requests))
        return after.model_copy(update={"percent": plan_share(plan_audience(registry, after, target.flag))})

    async def announce(self, service: PinnokioService, before: RolloutStatus | None, after: RolloutStatus) -> None:
        for event in find_rollout_events(before, after):
            await self._events.write(service, event.kind, event.reason, "Rollout", event.note)

    def next_look(self, spec: PinnokioServiceSpec, state: RolloutStatus) -> timedelta | None:
        """None: nothing is waited for that time alone brings."""
        now = datetime.now(UTC)
        looks = [next_look(spec.unified_registry, state, now), next_legacy_look(state, now)]
        return min((look for look in looks if look is not None), default=None)

    def forget(self, key: ServiceKey) -> None:
        self._sampler.forget(key)

    async def close(self) -> None:
        await self._sampler.close()

    def _figures(self, key: ServiceKey, rollout: Rollout | None, state: RolloutStatus) -> RolloutFigures | None:
        if rollout is None or state.phase not in WATCHED or not state.step or state.window_started_at is None:
            self._sampler.forget(key)
            return None
        window = Window(
            name=state.window_started_at,
            started_at=read_time(state.window_started_at),
            interval_s=rollout.interval_s(state.step - 1),
            prometheus=rollout.analysis.prometheus,
            measured=state.figures,
        )
        return self._sampler.follow(key, window)


def _requests(service: PinnokioService) -> Requests:
    return Requests(service.promote, service.rollback, service.rollout_paused)


def ready_api_pods(observed: Observed) -> list[ObservedObject]:
    """Those that traffic is sent to; one that goes is not among them."""
    return [pod for pod in observed.pods if pod.component == API and not pod.going and _is_ready(pod)]


def count_acknowledged(observed: Observed, acknowledgements: Mapping[str, int] | None, revision: int) -> int | None:
    """Ready API pods that serve by `revision` or a newer one; None: not known."""
    if acknowledgements is None:
        return None
    return sum(acknowledgements.get(pod.ref.name, -1) >= revision for pod in ready_api_pods(observed))


def read_addresses(observed: Observed) -> dict[str, str]:
    """IP by name of the ready API pods."""
    found = {pod.ref.name: (pod.document.get("status") or {}).get("podIP") for pod in ready_api_pods(observed)}
    return {name: address for name, address in found.items() if address}


def _is_ready(pod: ObservedObject) -> bool:
    conditions = (pod.document.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
