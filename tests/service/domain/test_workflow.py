"""Changes of invoice fields and step counters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.workflow import NOTHING, Workflow, build_workflow_events, changes, parse_workflow

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def document(invoice: dict[str, Any], steps: dict[str, Any]) -> dict[str, Any]:
    return {"document": {"initial_data": invoice}, "APBookeeper_step_status": steps, "status": "x"}


def test_only_what_is_followed_is_kept() -> None:
    workflow = parse_workflow(document({"currency": "EUR", "internal": 1}, {"extraction": 2}))
    assert workflow == Workflow({"currency": "EUR"}, {"extraction": 2})


@pytest.mark.parametrize("fields", [{}, {"document": None}, {"document": {"initial_data": "x"}}, {"document": [1]}])
def test_a_document_of_another_shape_is_empty(fields: dict[str, Any]) -> None:
    assert parse_workflow(fields) == NOTHING


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({}, {"a": None}, {}),
    ],
    ids=["same", "changed and new", "gone", "same number", "another type", "list", "null as before"],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], expected: dict[str, Any]) -> None:
    assert changes(before, after) == expected


def test_events_carry_the_changed_values_only() -> None:
    before = parse_workflow(document({"currency": "EUR", "sender": "A"}, {"extraction": 1, "posting": 0}))
    after = parse_workflow(document({"currency": "CHF", "sender": "A"}, {"extraction": 2, "posting": 0}))
    invoice, steps = build_workflow_events("u1", "j1", before, after, NOW)
    assert (invoice.type, invoice.uid, invoice.job_id) == ("workflow.invoice_update", "u1", "j1")
    assert invoice.payload == {"invoice_changes": {"currency": "CHF"}}
    assert steps.type == "workflow.step_update"
    assert steps.payload == {"step_changes": {"APBookeeper_step_status": {"extraction": 2}}}


def test_no_change_no_event() -> None:
    same = parse_workflow(document({"currency": "EUR"}, {}))
    assert build_workflow_events("u1", "j1", same, same, NOW) == []
