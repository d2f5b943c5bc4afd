"""What of a `task_manager` document the front end follows, and the events of its changes (contract.md, "Events")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.domain.events import Event

INVOICE_UPDATE: Final = "workflow.invoice_update"
STEP_UPDATE: Final = "workflow.step_update"
STEP_STATUS: Final = "APBookeeper_step_status"
INVOICE_FIELDS: Final = (
    "invoiceReference",
    "recipient",
    "invoiceDescription",
    "totalAmountDueVATExcluded",
    "totalAmountDueVATIncluded",
    "VATAmount",
    "recipientAddress",
    "dueDate",
    "sender",
    "invoiceDate",
    "currency",
    "VATPercentages",
    "sender_country",
    "account_number",
    "account_name",
)


@dataclass(frozen=True, slots=True)
class Workflow:
    """The invoice fields and step counters of one job."""

    invoice: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Any] = field(default_factory=dict)


NOTHING: Final = Workflow()


def parse_workflow(fields: Mapping[str, Any]) -> Workflow:
    """The parts of a document that are followed; what is missing or of another shape is empty.

    The counters stand at the top of the document, or inside `document` beside `initial_data`.
    """
    document = _mapping(fields.get("document"))
    initial_data = _mapping(document.get("initial_data"))
    invoice = {name: initial_data[name] for name in INVOICE_FIELDS if name in initial_data}
    steps = _mapping(fields.get(STEP_STATUS)) or _mapping(document.get(STEP_STATUS))
    return Workflow(invoice, dict(steps))


def build_workflow_events(uid: str, job_id: str, before: Workflow, after: Workflow, now: datetime) -> list[Event]:
    """The events of a change, the invoice's first; empty where nothing that is followed changed.

    Example: `currency` EUR → CHF and the step `extraction` 1 → 2 → two events, each with that one value.
    """
    events = []
    invoice = changes(before.invoice, after.invoice)
    if invoice:
        events.append(Event(INVOICE_UPDATE, uid, {"invoice_changes": invoice}, now, job_id))
    steps = changes(before.steps, after.steps)
    if steps:
        events.append(Event(STEP_UPDATE, uid, {"step_changes": {STEP_STATUS: steps}}, now, job_id))
    return events


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Fields whose value is another one now; one that went is None. 1 and True are different values."""
    names = [*after, *(name for name in before if name not in after)]
    return {name: after.get(name) for name in names if not _is_same(before.get(name), after.get(name))}


def _is_same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
