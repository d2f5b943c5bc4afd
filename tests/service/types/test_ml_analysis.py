"""TASK.start_ml_analysis: what stands out in a ledger, and how it goes on."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.service.application import Api
from tests.service.domain.ledger.ledgers import booking, usual_rows
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.types.asking import check_flag_off, check_refused, run_task
from tests.service.valkey_server import RunningValkey

METHOD = "TASK.start_ml_analysis"
ROW = {"date": "2024-05-12", "amount": 119.0, "account": "4930"}


async def test_anomalies_are_found_and_say_why(user: User, worker: Worker) -> None:
    rows = [*usual_rows(), booking(date(2024, 3, 12), -9_500.0, "4930", "Papier SARL", "Beleg")]
    answer, events, result = await run_task(user, "start_ml_analysis", "u1", {"rows": rows}, "anomaly")
    assert set(answer) == {"success", "task_id", "celery_task_id", "status", "model_type"}
    assert [(event["current_step"], event["progress"]) for event in events] == [
        ("preprocessing", 20),
        ("data_validation", 40),
        ("model_training", 70),
        ("analysis", 90),
        ("final_processing", 100),
        ("final_processing", 100),
    ]
    assert result["anomalies"][0]["row"] == len(rows)
    assert "times this counterparty's median" in result["anomalies"][0]["reasons"][0]["message"]
    assert result["method"]["library"].startswith("scikit-learn ")
    assert events[-1]["data"]["anomalies"][0] == result["anomalies"][0]


async def test_a_forecast_is_made(user: User, worker: Worker) -> None:
    data = {"rows": usual_rows(), "options": {"months_ahead": 2}}
    _, events, result = await run_task(user, "start_ml_analysis", "u1", data, "forecast")
    assert events[-1]["status"] == "completed"
    assert result["model_type"] == "forecast"
    assert result["rows_used"] == len(data["rows"])


async def test_without_scikit_learn_it_fails_and_says_which_image_to_use(
    own_valkey: RunningValkey, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden" / "sklearn"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not in this image')\n")
    without = {"PYTHONPATH": str(hidden.parent)}
    async with listening_user("u1", own_valkey) as user:
        with running_worker(own_valkey, tmp_path, **without):
            _, events, _ = await run_task(user, "start_ml_analysis", "u1", [ROW], "anomaly")
            assert events[-1]["status"] == "failed"
            assert "docker build --build-arg EXTRA=ml" in events[-1]["data"]["error"]
            _, events, _ = await run_task(user, "start_ml_analysis", "u1", usual_rows(), "forecast")
            assert events[-1]["status"] == "completed"


async def test_rows_of_which_none_can_be_read_fail_with_a_sentence(user: User, worker: Worker) -> None:
    _, events, _ = await run_task(user, "start_ml_analysis", "u1", [{"date": "when?"}, 7], "forecast")
    assert events[-1]["status"] == "failed"
    assert "2 of 2 rows cannot be read. row 1:" in events[-1]["data"]["error"]


@pytest.mark.parametrize(
    ("data", "model_type", "message"),
    [
        pytest.param([ROW], "magic", "model_type is anomaly or forecast, not 'magic'", id="unknown model"),
        pytest.param([ROW], 7, "model_type: expected str", id="no text as a model"),
        pytest.param([], "forecast", "There are no rows", id="no rows"),
        pytest.param("rows", "forecast", "data holds no list of rows", id="text"),
        pytest.param({"lines": []}, "forecast", "data does not know 'lines'", id="unknown key"),
        pytest.param(
            {"rows": [ROW], "options": []},
            "forecast",
            "data.options takes complete_through",
            id="options that are none",
        ),
        pytest.param({"rows": [ROW], "options": {"months_ahead": 99}}, "forecast", "months_ahead is a whole", id="99"),
        pytest.param([1] * 100_001, "anomaly", "more than 100,000 rows", id="too many"),
    ],
)
async def test_bad_input_is_refused_before_anything_is_queued(
    api_on: Api, data: Any, model_type: Any, message: str
) -> None:
    await check_refused(api_on, METHOD, ["u1", data, model_type], message)


async def test_nothing_is_started_where_the_flag_is_off(api: Api) -> None:
    await check_flag_off(api, METHOD, ["u1", [ROW], "forecast"], model_type="forecast")
