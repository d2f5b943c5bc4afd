"""For whom the flag is on: what the spec and the rollout's step say, as the flag document has it."""

import msgspec

from contract.flag import FlagDocument
from controller.model.rollout import WHOLE_BP, Rollout, UnifiedRegistry, percent_to_bp
from controller.model.rollout_status import LegacyState, RolloutPhase, RolloutStatus

# With these the legacy registry lacks users: the flag stays with everybody until they are copied back.
FROZEN = (LegacyState.STOPPED, LegacyState.RESTORING)
_BACK = (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK)


def plan_audience(registry: UnifiedRegistry, state: RolloutStatus, known: FlagDocument | None) -> FlagDocument:
    """For whom it is on, and nothing else of the document. `known`: the newest that stands anywhere.

    In this order: legacy writes are stopped, or being taken up again → everybody as they are, whatever the spec
    says; else what `choose_audience` says.
    """
    if state.legacy.state in FROZEN and known is not None:
        document = msgspec.structs.replace(known, revision=0, salt="", routes={}, quotas={}, debug=registry.debug)
        return msgspec.structs.replace(document, legacy_writes=state.legacy.state is not LegacyState.STOPPED)
    return choose_audience(registry, state)


def choose_audience(registry: UnifiedRegistry, state: RolloutStatus) -> FlagDocument:
    """In this order: not enabled → off; taken back to nothing → off; no rollout → the audience of the spec; else the
    audience with everything that the steps up to `state.step` add.

    Example: steps `users: [ann]`, `percent: 10`, at step 2 → ann and 10 %.
    """
    if not registry.enabled or (state.phase in _BACK and state.step == 0):
        return FlagDocument(debug=registry.debug)
    audience, rollout = registry.audience, registry.rollout
    users, companies = (audience.users, audience.companies) if audience else ((), ())
    percent_bp = percent_to_bp(audience.percent) if audience else None
    if rollout is not None:
        steps = rollout.steps[: max(state.step, 1)]
        users = _joined(users, *(step.users for step in steps))
        companies = _joined(companies, *(step.companies for step in steps))
        percent_bp = _percent_bp(rollout, state)
        if percent_bp is None and not users and not companies:
            # In a flag document that would be everybody.
            percent_bp = 0
    return FlagDocument(
        enabled=True,
        debug=registry.debug,
        users=users,
        companies=companies,
        exclude_users=audience.exclude_users if audience else (),
        percent_bp=percent_bp,
    )


def _percent_bp(rollout: Rollout, state: RolloutStatus) -> int | None:
    """The step's, or what was on before, as far as the last step goes."""
    steps = rollout.steps
    said = [step.percent_bp for step in steps[: max(state.step, 1)] if step.percent_bp is not None]
    last = max((step.percent_bp for step in steps if step.percent_bp is not None), default=None)
    if last is None:
        return None
    least = min(state.least_bp, last)
    return max(*said, least) if said else (least or None)


def is_everybody(document: FlagDocument) -> bool:
    """Whether nobody is left out but those who are excluded by name."""
    if not document.enabled:
        return False
    if document.percent_bp is not None:
        return document.percent_bp >= WHOLE_BP
    return not (document.users or document.companies)


def is_within(document: FlagDocument, other: FlagDocument) -> bool:
    """Whether `other` is on for everybody for whom `document` is: both of them for everybody but the excluded."""
    left_out = set(other.exclude_users) - set(document.exclude_users)
    return is_everybody(other) and not left_out


def share_bp(document: FlagDocument | None) -> int:
    """Basis points of everybody for whom a document is on, named ones aside."""
    if document is None or not document.enabled:
        return 0
    return WHOLE_BP if is_everybody(document) else document.percent_bp or 0


def plan_share(document: FlagDocument) -> float | None:
    """Percentage for whom a document is on; None: named ones only."""
    if not document.enabled:
        return 0.0
    if is_everybody(document):
        return 100.0
    return None if document.percent_bp is None else document.percent_bp / 100


def _joined(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in the order in which they come."""
    return tuple(dict.fromkeys(name for part in parts for name in part))
