"""The main job, end to end: what `make up` shows, held to what a person expects of it."""

import base64
import json
import uuid
from decimal import Decimal

import pytest

from tests.documents import sample_invoice_pdf
from tests.e2e.client import forwarded
from tests.e2e.conftest import Release
from tests.e2e.up import show_analysis

pytestmark = pytest.mark.cluster

STEPS = ["preprocessing", "ocr_extraction", "data_validation", "entity_recognition", "final_processing"]


def pdf_document(content: bytes) -> dict[str, object]:
    return {"content_base64": base64.b64encode(content).decode(), "mime": "application/pdf"}


def test_what_make_up_shows_holds_the_right_total(released: Release) -> None:
    with forwarded(released.cluster, released.namespace, released.name) as client:
        result = show_analysis(client)
    fields = result["fields"]
    assert fields["total"]["source"] == "factur-x"
    assert Decimal(fields["untaxed"]["value"]) + Decimal(fields["tax"]["value"]) == Decimal(fields["total"]["value"])
    assert result["extracted_data"]["invoice_amount"] == float(fields["total"]["value"])


def test_progress_arrives_in_order_and_the_result_stays_readable(released: Release) -> None:
    job_id = uuid.uuid4().hex[:12]
    with forwarded(released.cluster, released.namespace, released.name) as client:
        events = list(client.analyse("e2e-user", pdf_document(sample_invoice_pdf()), job_id))
        status = client.rpc("TASK.get_task_status", f"doc_analysis_{job_id}")["data"]
        result = client.rpc("TASK.get_task_result", f"doc_analysis_{job_id}")["data"]
    percents = [event["progress"] for event in events]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [step for step in STEPS if step in {event["current_step"] for event in events}] == STEPS
    assert events[0]["status"] == "started"
    assert status["status"] == result["status"] == "completed"
    assert result["result"] == events[-1]["data"]


def test_a_broken_pdf_fails_with_a_clear_message_and_the_worker_lives_on(released: Release) -> None:
    with forwarded(released.cluster, released.namespace, released.name) as client:
        broken = list(client.analyse("e2e-user", pdf_document(b"%PDF-1.7 broken"), uuid.uuid4().hex[:12]))
        sound = list(client.analyse("e2e-user", {"content": "test doc"}, uuid.uuid4().hex[:12]))
    assert broken[-1]["status"] == "failed"
    assert "PDF" in broken[-1]["data"]["error"]
    assert sound[-1]["status"] == "completed"
    pods = json.loads(released.kubectl("get", "pods", "-l", "app.kubernetes.io/component=worker", "-o", "json"))
    restarts = [status["restartCount"] for pod in pods["items"] for status in pod["status"]["containerStatuses"]]
    assert restarts
    assert not any(restarts)


def test_kubectl_get_shows_ready(released: Release) -> None:
    line = released.kubectl("get", "pinnokioservices").splitlines()[1]
    assert released.name in line
    assert "Ready" in line


def test_healthz_and_version_answer(released: Release) -> None:
    with forwarded(released.cluster, released.namespace, released.name) as client:
        health = client.get("/healthz")
        version = client.get("/version")
    assert health["redis"] == "ok"
    assert {"status", "version", "listeners_count", "workflow_listeners_count", "uptime_s", "region"} <= set(health)
    assert version == {"version": health["version"]}
