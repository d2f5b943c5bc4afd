"""What reports count and say."""

import csv
import io
import json
from typing import Any

import pytest

from service.domain.reports import REPORT_TYPES, ReportError, generate_report, report_steps
from tests.service.domain.reports.figures import FORMULA, MARKUP, company, idle, unread


def headlines(report_type: str) -> dict[str, Any]:
    document = generate_report(report_type, company())["json"]
    return {one["label"]: one["value"] for one in document["headlines"]}


def section(report_type: str, name: str) -> list[dict[str, Any]]:
    document = generate_report(report_type, company())["json"]
    return next(one["rows"] for one in document["sections"] if one["name"] == name)


def test_usage_counts_users_and_their_work() -> None:
    assert headlines("usage") == {
        "Users": 3,
        "Active in the last 24 hours": 1,
        "Tasks": 4,
        "Conversations": 3,
        "Tokens": 400,
        "Storage": 2 * 1024 * 1024,
    }
    assert section("usage", "users")[0] == {"user_id": "alice", "tasks": 3, "conversations": 2, "tokens": 400}


def test_quotas_are_shares_of_their_limits() -> None:
    assert [row["percent"] for row in section("usage", "quotas")] == [10.0, 0.1, 0.04]


def test_tasks_tell_how_they_ended() -> None:
    assert headlines("tasks") == {"Tasks": 4, "Completed": 1, "Failed": 1, "Duration": 20.0, "Wait for a worker": 4.0}
    assert section("tasks", "status")[0]["queued"] == 1
    assert section("tasks", "errors") == [{"error": FORMULA, "count": 1, "task_types": "document_analysis"}]


def test_storage_has_the_largest_collection_first() -> None:
    rows = section("storage", "collections")
    assert [row["total_bytes"] for row in rows] == [1024 * 1024, 1024 * 1024]
    assert headlines("storage")["Documents"] == 15


def test_tokens_that_are_not_known_are_not_zero() -> None:
    assert [row["tokens"] for row in section("conversations", "models")] == [400, None]
    assert headlines("conversations")["Tokens a conversation"] == 200


def test_a_course_has_no_gaps() -> None:
    rows = section("tasks", "course")
    assert len(rows) == 25
    assert sum(row["completed"] + row["failed"] + row["processing"] + row["queued"] for row in rows) == 4


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_a_result_is_json_and_its_csv_has_every_row(report_type: str) -> None:
    result = generate_report(report_type, company())
    assert json.loads(json.dumps(result)) == result
    rows = list(csv.DictReader(io.StringIO(result["csv"], newline="")))
    assert len(rows) == len(result["json"]["details"]["rows"])


def test_csv_runs_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(generate_report("tasks", company())["csv"], newline="")))
    assert {row["task_id"] for row in rows} == {"a", "b", "c", f"'{FORMULA}"}


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_what_could_not_be_read_is_unknown_and_never_zero(report_type: str) -> None:
    document = generate_report(report_type, unread())["json"]
    assert {one["value"] for one in document["headlines"]} == {None}
    assert "unknown" in document["notes"][1]
    assert document["details"]["rows"] == []


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_a_company_in_which_nothing_happened(report_type: str) -> None:
    document = generate_report(report_type, idle())["json"]
    assert document["headlines"][0]["value"] == 0
    assert len(document["notes"]) == 1


def test_steps_grow_to_a_hundred() -> None:
    percents = [percent for _, percent in report_steps("usage", company())]
    assert percents == [60, 80, 100]


@pytest.mark.parametrize("report_type", ["profit", "", None, 5, ["usage"], "Usage"])
def test_an_unknown_type_is_refused_with_those_there_are(report_type: object) -> None:
    with pytest.raises(ReportError, match="report_type is one of usage, tasks, storage, conversations"):
        generate_report(report_type, company())


def test_markup_stays_in_json_as_it_was() -> None:
    assert MARKUP in {row["user_id"] for row in section("usage", "users")}
