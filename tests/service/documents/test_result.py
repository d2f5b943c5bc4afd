from __future__ import annotations

import json
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.documents import STEPS, DocumentError, Limits, analyse, analysis_steps
from tests.documents import build_xml, make_invoice, sample_invoice_pdf
from tests.service.documents.sending import as_base64


def test_sample_document_of_make_up() -> None:
    result = analyse(as_base64(sample_invoice_pdf()), "job-1")
    data = result["extracted_data"]
    assert result["job_id"] == "job-1"
    assert (data["invoice_amount"], data["currency"], data["invoice_number"]) == (3063.27, "EUR", "RE-2025-0417")
    assert {"type": "organization", "value": "Nordlicht Druckwerk GmbH", "role": "seller"} in data["entities"]
    assert "Katalog Frühjahr" in data["extracted_text"]
    assert result["findings"] == []
    assert 0 <= result["confidence_score"] <= 1
    assert json.loads(json.dumps(result)) == result


def test_steps_are_reported_after_they_are_done() -> None:
    seen: list[tuple[str, int]] = []
    analyse({"content": "test doc"}, "job", lambda step, percent: seen.append((step, percent)))
    assert tuple(seen) == STEPS


def test_steps_can_be_driven_one_by_one_and_time_between_them_is_not_counted() -> None:
    ticks = iter(range(100))
    steps = analysis_steps({"content": "test doc"}, "job", clock=lambda: float(next(ticks)))
    assert [next(steps) for _ in STEPS] == list(STEPS)
    with pytest.raises(StopIteration) as end:
        next(steps)
    # Five steps of one tick each; nine ticks passed.
    assert end.value.value["processing_time_ms"] == 5000


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        pytest.param("Rechnung Nr. 1\nIBAN DE89370400440532013001", "iban_invalid", ["iban"], id="iban"),
        pytest.param("Invoice no. 1\nVAT ID: DE111111111", "vat_invalid", ["vat"], id="vat"),
        pytest.param(
            "Invoice no. 1\nDate: 2024-05-05\nDue date: 2024-04-05", "due_before_issue", ["issue_date"], id="due-date"
        ),
        pytest.param(
            "Net total 100.00\nVAT 19.00\nGrand total 120.00 EUR", "sum_mismatch", ["untaxed", "tax", "total"], id="sum"
        ),
        pytest.param("Grand total 120.00 EUR", "fields_not_found", None, id="missing"),
    ],
)
def test_findings(text: str, code: str, fields: list[str] | None) -> None:
    findings = {finding["code"]: finding for finding in analyse({"content": text}, "job")["findings"]}
    assert code in findings
    assert fields is None or findings[code]["fields"] == fields
    assert findings[code]["message"]


def test_wrong_check_digits_keep_the_value() -> None:
    xml = build_xml(make_invoice("de", 1)).decode()
    vat = make_invoice("de", 1).seller.vat
    wrong = vat[:-1] + str((int(vat[-1]) + 1) % 10)
    result = analyse({"content": xml.replace(vat, wrong)}, "job")
    assert result["fields"]["vat"] == {"value": wrong, "source": "factur-x", "confidence": 0.99, "valid": False}
    assert [finding["code"] for finding in result["findings"]] == ["vat_invalid"]


def test_long_text_is_cut_between_characters() -> None:
    result = analyse({"content": "é" * 100}, "job", limits=Limits(result_text_bytes=51))
    assert result["extracted_data"]["extracted_text"] == "é" * 25
    assert "text_truncated" in [finding["code"] for finding in result["findings"]]


@given(st.text(max_size=400))
def test_any_text_gives_json_or_a_document_error(text: str) -> None:
    try:
        result = analyse({"content": f"Rechnung Nr. 1 Total {text}\nIBAN DE12 {text}\nVAT {text}"}, "job")
    except DocumentError:
        return
    json.dumps(result, allow_nan=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        "<html>" + "<" * 300_000,
        "<html>" + "<![CDATA[" * 30_000,
        "Rechnung Nr. " + "." * 300_000,
        "Total\n" * 5_000,
        "1 " * 50_000,
    ],
    ids=["openings", "cdata", "dots", "labels", "digits"],
)
def test_hostile_text_costs_little(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    analyse({"content": text}, "job")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 10
