"""One reconcile of one PinnokioService: gather → plan → apply → status.

It is the same for create, update, resume, drift and timer: it looks at what is there, never at what happened.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from contract.flag import FlagDocument
from controller.cluster.apply import Applier
from controller.cluster.events import EventWriter
from controller.cluster.store import Store
from controller.handlers.flag import FlagKeeper, FlagState
from controller.handlers.rollout import RolloutKeeper, count_acknowledged, ready_api_pods
from controller.handlers.scaling import Scaler
from controller.manifests.all import build_configuration, build_workloads
from controller.manifests.target import Target, flag_name, secret_name
from controller.manifests.types import Manifest
from controller.model.base import JsonObject
from controller.model.errors import ApiNotFound, OperatorError
from controller.model.kinds import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, SECRET
from controller.model.observed import ObjectRef, Observed, Refusal
from controller.model.rollout_status import RolloutStatus
from controller.model.service import InvalidSpec, PinnokioService, ServiceKey, parse_service
from controller.model.spec import PinnokioServiceSpec
from controller.model.status import DEGRADED, READY, Status
from controller.plan.audience import plan_audience
from controller.plan.children import Cause, Change, ChildrenPlan, choose_removals, plan_children
from controller.plan.conditions import Finding
from controller.plan.generated import is_secret_complete, plan_flag, plan_secret, read_flag
from controller.plan.health import find_problems, next_check, plan_parts
from controller.plan.jobs import find_job_problem, next_job_check, plan_jobs
from controller.plan.scaling import Reason
from controller.plan.status import next_status_write, plan_farewells, plan_status, rollout_words

# A refused object is tried again: a quota or an admission rule may change without a word to us.
REFUSED_RETRY: Final = timedelta(seconds=15)
# What pods wait for, and who may reach them: there before they are.
FIRST: Final = (SECRET, CONFIG_MAP, NETWORK_POLICY)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What was not done, object by object, so that one keeps no other waiting: `refusals` are told and tried again in a
    while, `failures` (no answer, an error inside) soon."""

    refusals: list[Refusal] = field(default_factory=list)
    failures: dict[ObjectRef, OperatorError] = field(default_factory=dict)

    @property
    def refs(self) -> set[ObjectRef]:
        return {*(refusal.ref for refusal in self.refusals), *self.failures}

    async def take(self, ref: ObjectRef, answer: Awaitable[Refusal | None]) -> None:
        """Raises ApiNotFound: the PinnokioService itself may be gone."""
        try:
            refusal = await answer
        except ApiNotFound:
            raise
        except OperatorError as error:
            self.failures[ref] = error
        else:
            if refusal is not None:
                self.refusals.append(refusal)


@dataclass(slots=True)
class Reconciler:
    """`services`: the PinnokioServices that were seen last. `written`: when each one's status was written last.
    `place`: the operator's own namespace; None: it runs outside the cluster. `valid`: uid, and the last spec that could
    be acted on."""

    services: dict[ServiceKey, JsonObject]
    store: Store
    applier: Applier
    events: EventWriter
    flags: FlagKeeper
    rollouts: RolloutKeeper
    scaler: Scaler
    resync: timedelta
    place: str | None = None
    written: dict[ServiceKey, datetime] = field(default_factory=dict)
    valid: dict[ServiceKey, tuple[str, PinnokioServiceSpec]] = field(default_factory=dict)

    async def reconcile(self, key: ServiceKey) -> timedelta | None:
        """When to look again; None: it is gone, and the garbage collector does the rest."""
        body = self.services.get(key)
        if body is None:
            self._forget(key)
            return None
        service = parse_service(body)
        try:
            return await self._reconcile(service)
        except ApiNotFound:
            if await self.applier.is_current(service):
                raise
        # Its deletion came while nobody watched, and no event tells of it later.
        if service.uid != self.services.get(key, body)["metadata"]["uid"]:
            return timedelta()
        log.info("PinnokioService %s is gone", key)
        self.services.pop(key, None)
        self._forget(key)
        return None

    async def _reconcile(self, service: PinnokioService) -> timedelta | None:
        key = service.key
        if service.going:
            return None
        invalid = service.spec if isinstance(service.spec, InvalidSpec) else None
        spec = self._choose_spec(service)
        if spec is None:
            found = Finding(invalid=invalid, paused=service.paused)
            return await self._tell(service, None, found, FlagState())
        target, flag, rollout = await self._gather(service, spec)
        plan = await self._plan(service, target)
        outcome = Outcome()
        if not service.paused:
            await self._apply_group(service, _configuration_of(plan), outcome)
            # Before the rest, whatever became of its ConfigMap: a flag that is switched off waits for no object.
            flag = await self.flags.publish(service, target, flag)
            await self._apply_rest(service, plan, outcome)
        flag = await self.flags.read_acknowledgements(key, flag)
        told = self._hold(target, flag) if service.paused else target
        found = self._find(service, told, plan, outcome, flag)
        found.flag_held = told.flag != target.flag
        found.invalid = invalid
        restored = await self.flags.read_restoring(key, flag) if rollout.legacy.copying else ""
        found.rollout = self.rollouts.decide(service, told, rollout, flag, found, restored, self._observed(key))
        again = await self._tell(service, told, found, flag)
        if outcome.failures:
            raise next(iter(outcome.failures.values()))
        return again

    def _choose_spec(self, service: PinnokioService) -> PinnokioServiceSpec | None:
        """Its own; where that is invalid, the last valid one, with the flag off where the invalid one says so: queues
        are scaled and a rollback is heard all the same. None: none was seen since the operator began."""
        if not isinstance(service.spec, InvalidSpec):
            self.valid[service.key] = service.uid, service.spec
            return service.spec
        uid, spec = self.valid.get(service.key, ("", None))
        if spec is None or uid != service.uid:
            return None
        return spec.with_flag_off() if service.spec.is_off else spec

    async def _gather(
        self, service: PinnokioService, spec: PinnokioServiceSpec
    ) -> tuple[Target, FlagState, RolloutStatus]:
        """What manifests are built from: the spec, generated values that are kept, the flag's revision; and the
        rollout's state, which says for whom the flag is on."""
        observed = self._observed(service.key)
        name = secret_name(service.key)
        secret = observed.get(SECRET, name)
        if not is_secret_complete(spec, secret):
            # Never made anew because a watch is late: what is there is kept.
            live = await self.applier.read_live(service.key, [ObjectRef(SECRET, name)])
            secret = observed.joined(live).get(SECRET, name)
        generated = plan_secret(spec, secret, lambda: secrets.token_urlsafe(32))
        mounted = read_flag(observed.get(CONFIG_MAP, flag_name(service.key)))
        flag = await self.flags.read(service.key, spec, generated, observed)
        # The mounted one is ours alone: what someone else writes into Valkey says nothing about the rollout.
        known = mounted or flag.document
        rollout = self.rollouts.enter(service, spec, known)
        audience = plan_audience(spec.unified_registry, rollout, known)
        document = plan_flag(service.key, spec, audience, [mounted, flag.document])
        is_guest = flag.owner is not None
        workers = self.scaler.follow(service, spec, flag.endpoint, observed, is_guest=is_guest)
        jobs = plan_jobs(rollout.legacy)
        target = Target(service.key, service.uid, spec, generated, document, workers, self.place, jobs)
        is_beating = observed.get(DEPLOYMENT, target.beat_name) is not None
        return replace(target, beats=is_beating or not is_guest), flag, rollout

    async def _plan(self, service: PinnokioService, target: Target) -> ChildrenPlan:
        """Objects to be created are looked for once more: something of that name may be there without our label."""
        manifests = [*build_configuration(target), *build_workloads(target)]
        plan = self._plan_from(service, target, manifests, ())
        missing = [change.ref for change in plan.changes if change.cause is Cause.CREATED]
        if not missing or service.paused:
            return plan
        if not await self.applier.is_current(service):
            raise ApiNotFound(f"{service.key} is gone or another one: nothing is created for it")
        return self._plan_from(service, target, manifests, await self.applier.read_live(service.key, missing))

    def _plan_from(
        self, service: PinnokioService, target: Target, manifests: Sequence[Manifest], live: Sequence[JsonObject]
    ) -> ChildrenPlan:
        observed = self._observed(service.key).joined(live)
        return plan_children(service.uid, manifests, observed, target.workers.kept)

    async def _apply_rest(self, service: PinnokioService, plan: ChildrenPlan, outcome: Outcome) -> None:
        """What follows configuration, at once; then what is left over goes. `outcome`: of the configuration, for which
        pods wait."""
        left = {*plan.taken, *plan.waiting, *outcome.refs}
        if any(ref.kind is SECRET for ref in left):
            # Generated values that were not stored are others the next time: pods would restart for ever.
            return
        configuration = _configuration_of(plan)
        rest = [change for change in plan.changes if change not in configuration]
        await self.scaler.prepare_removal(self.applier, service.key, plan, self._observed(service.key))
        await self._apply_group(service, rest, outcome)
        removals = choose_removals(plan, outcome.refs)
        await asyncio.gather(*(outcome.take(seen.ref, self.applier.remove(service.key, seen)) for seen in removals))
        await self._report(service, plan, [seen.ref for seen in removals], outcome.refs)

    async def _apply_group(self, service: PinnokioService, changes: Sequence[Change], outcome: Outcome) -> None:
        await asyncio.gather(
            *(
                outcome.take(
                    each.ref,
                    self.applier.apply(
                        service.key,
                        each.ref,
                        each.manifest,
                        each.removal,
                        is_scale=each.cause is Cause.SCALED,
                        given_away=each.replicas,
                    ),
                )
                for each in changes
            )
        )

    def _hold(self, target: Target, flag: FlagState) -> Target:
        """With the flag that stands, by which pods serve as long as nothing is published."""
        mounted = read_flag(self._observed(target.key).get(CONFIG_MAP, target.flag_name))
        return replace(target, flag=flag.document or mounted or FlagDocument())

    def _find(
        self,
        service: PinnokioService,
        target: Target,
        plan: ChildrenPlan,
        outcome: Outcome,
        flag: FlagState,
    ) -> Finding:
        observed = self._observed(service.key)
        parts, now = plan_parts(target, observed), datetime.now(UTC)
        return Finding(
            parts=parts,
            problems=find_problems(parts, observed, now),
            job_problem=find_job_problem(target, observed, outcome.refusals, now),
            refusals=outcome.refusals,
            failed={ref: str(error) for ref, error in outcome.failures.items()},
            taken=plan.taken,
            waiting=plan.waiting,
            paused=service.paused,
            queues=self.scaler.views(service.key),
            valkey_fault=self.scaler.fault(service.key),
            acknowledged=count_acknowledged(observed, flag.acknowledgements, target.flag.revision),
            flag_pods=len(ready_api_pods(observed)),
            valkey_owner=flag.owner,
            held=_differing(plan) if service.paused else (),
        )

    async def _tell(
        self, service: PinnokioService, target: Target | None, found: Finding, flag: FlagState
    ) -> timedelta:
        """Writes the status where it is worth a write; when to look again."""
        now = datetime.now(UTC)
        published = target is not None and flag.document == target.flag
        status = plan_status(service, target, found, published=published, now=now)
        wait = next_status_write(service.status, status, self.written.get(service.key), now)
        if wait == timedelta():
            # Before the status, which is what they are the difference to: an operator that dies between the two tells
            # an Event twice, the other way round never.
            await self._announce(service, status)
            answer = await self.applier.write_status(service, status)
            self.written[service.key] = now
            if service.key in self.services:
                # Else it was deleted meanwhile.
                self.note(answer)
        retry = REFUSED_RETRY if found.refusals or found.taken else None
        looks = [
            wait or None,
            retry,
            flag.next_look(paused=service.paused, awaited=found.is_awaited),
            *self._rollout_looks(service, target, found, wrote=wait == timedelta()),
            next_check(self._observed(service.key), now),
            next_job_check(target, self._observed(service.key), now) if target else None,
            self.resync,
        ]
        return min(look for look in looks if look is not None)

    def _rollout_looks(
        self, service: PinnokioService, target: Target | None, found: Finding, *, wrote: bool
    ) -> list[timedelta | None]:
        """At once where what was just written is to be carried out."""
        if target is None or found.rollout is None or service.paused:
            return []
        before = service.status.rollout if service.status else None
        moved = before is None or rollout_words(before) != rollout_words(found.rollout)
        return [self.rollouts.next_look(target.spec, found.rollout), timedelta() if wrote and moved else None]

    def note(self, body: JsonObject) -> None:
        """Keeps a PinnokioService unless a newer version of it is known."""
        meta = body["metadata"]
        key = ServiceKey(meta["namespace"], meta["name"])
        known = self.services.get(key)
        if known is None or int(known["metadata"]["resourceVersion"]) <= int(meta["resourceVersion"]):
            self.services[key] = body

    async def _report(
        self, service: PinnokioService, plan: ChildrenPlan, removals: Sequence[ObjectRef], undone: set[ObjectRef]
    ) -> None:
        """One Event for each kind of change."""
        for cause in Cause:
            done = [str(each) for each in plan.changes if each.cause is cause and each.ref not in undone]
            if done:
                await self.events.write(service, "Normal", cause.value, "Reconcile", ", ".join(done))
        gone = [str(ref) for ref in removals if ref not in undone]
        if gone:
            await self.events.write(service, "Normal", "Removed", "Reconcile", ", ".join(gone))

    async def _announce(self, service: PinnokioService, status: Status) -> None:
        """An Event when Ready or Degraded begins, Degraded has another reason, a queue beyond the spec is served, or
        the rollout moves."""
        before = service.status
        kinds: tuple[tuple[Literal["Normal", "Warning"], str], ...] = (("Normal", READY), ("Warning", DEGRADED))
        for severity, kind in kinds:
            then, now = before.condition(kind) if before else None, status.condition(kind)
            if now is None or now.status != "True" or (then and (then.status, then.reason) == (now.status, now.reason)):
                continue
            await self.events.write(service, severity, kind, "Observe", f"{now.reason}: {now.message}")
        for queue in plan_farewells(service.status, status):
            note = f"queue {queue.name} {queue.message}"
            if queue.decision == Reason.ORPHANED:
                await self.events.write(service, "Warning", "QueueOrphaned", "Scale", note)
            else:
                await self.events.write(service, "Normal", "QueueRetiring", "Scale", note)
        if status.rollout is not None:
            await self.rollouts.announce(service, before.rollout if before else None, status.rollout)

    def _observed(self, key: ServiceKey) -> Observed:
        settled = self.applier.settled.get(key, {})
        return Observed.of(self.store.documents(key), self.store.pods(key), settled, self.applier.unscaled.get(key, {}))

    def _forget(self, key: ServiceKey) -> None:
        self.written.pop(key, None)
        self.valid.pop(key, None)
        self.applier.forget(key)
        self.flags.forget(key)
        self.rollouts.forget(key)
        self.scaler.forget(key)


def _differing(plan: ChildrenPlan) -> list[ObjectRef]:
    return [*(change.ref for change in plan.changes), *(seen.ref for seen in plan.deletions)]


def _configuration_of(plan: ChildrenPlan) -> list[Change]:
    """What pods refer to, and would wait for."""
    return [change for change in plan.changes if change.ref.kind in FIRST]
