from __future__ import annotations

import pickle

import pytest

from service.domain.documents import DocumentError, Limits, analyse, load_document
from tests.documents import build_pdf, make_invoice
from tests.service.documents.sending import as_base64

PDF = build_pdf(make_invoice("de", 1))


@pytest.mark.parametrize(
    ("document_data", "code", "message"),
    [
        pytest.param({}, "invalid_input", "neither", id="neither-key"),
        pytest.param({"content": "a", "content_base64": "YQ=="}, "invalid_input", "both", id="both-keys"),
        pytest.param({"content": 7}, "invalid_input", "must be a string, not int", id="wrong-type"),
        pytest.param({"content_base64": ["a"]}, "invalid_input", "not list", id="wrong-type-base64"),
        pytest.param({"content": "a", "mime": 1}, "invalid_input", "mime must be", id="wrong-mime-type"),
        pytest.param([], "invalid_input", "must be an object", id="no-object"),
        pytest.param({"content": " \n"}, "empty", "empty", id="empty-text"),
        pytest.param({"content_base64": ""}, "empty", "empty", id="empty-base64"),
        pytest.param({"content_base64": "%%%"}, "invalid_base64", "not valid base64", id="bad-base64"),
        pytest.param({"content_base64": "YQ"}, "invalid_base64", "padding", id="cut-base64"),
        pytest.param({"content": "%PDF-1.7 …"}, "mime_mismatch", "as content_base64", id="pdf-as-content"),
        pytest.param(
            as_base64(PDF, "text/plain"), "mime_mismatch", "declared as text/plain, but it is a PDF", id="pdf-as-text"
        ),
        pytest.param(as_base64(b"Hello", "application/pdf"), "mime_mismatch", "it is plain text", id="text-as-pdf"),
        pytest.param(
            as_base64(b"\x89PNG\r\n\x1a\n", "application/pdf"), "mime_mismatch", "it is an image", id="png-as-pdf"
        ),
        pytest.param(as_base64(b"anything", "image/tiff"), "mime_mismatch", "it is plain text", id="text-as-image"),
        pytest.param(as_base64(b"PK\x03\x04abc", None), "unsupported", "Office", id="zip"),
        pytest.param(as_base64(b"\x00\x01\x02", None), "unsupported", "binary", id="binary"),
        pytest.param(as_base64(b"x", "audio/mpeg"), "unsupported", "audio/mpeg", id="audio"),
    ],
)
def test_refused_with_a_reason(document_data: dict[str, object], code: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as error:
        load_document(document_data)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("document_data", "kind"),
    [
        pytest.param({"content": "test doc"}, "text", id="text"),
        pytest.param({"content": "<!DOCTYPE html><p>a"}, "html", id="html"),
        pytest.param(as_base64(b"<p>a", "text/html; charset=utf-8"), "html", id="fragment-declared-html"),
        pytest.param({"content": "<?xml version='1.0'?><a/>"}, "xml", id="xml"),
        pytest.param(as_base64(PDF, None), "pdf", id="no-mime"),
        pytest.param(as_base64(b"\n" + PDF, "application/octet-stream"), "pdf", id="octets"),
        pytest.param(as_base64("Café".encode("cp1252"), "text/plain"), "text", id="windows-1252"),
        pytest.param(as_base64("Café".encode("utf-16"), "text/plain"), "text", id="utf-16"),
        pytest.param(as_base64(b"a,b", "text/csv"), "text", id="csv"),
    ],
)
def test_kind_is_told_from_the_content(document_data: dict[str, object], kind: str) -> None:
    assert load_document(document_data).kind == kind


@pytest.mark.parametrize("document_data", [{"content": "a" * 101}, as_base64(b"a" * 101, None)], ids=["text", "base64"])
def test_size_is_bounded(document_data: dict[str, object]) -> None:
    with pytest.raises(DocumentError, match="larger than"):
        load_document(document_data, Limits(document_bytes=100))


def test_wrapped_base64_and_data_urls_are_read() -> None:
    assert load_document({"content_base64": "data:text/plain;base64,dGVz\ndA=="}).data == b"test"


def test_text_without_an_invoice_succeeds() -> None:
    result = analyse({"content": "test doc"}, "job123")
    assert result["analysis_complete"] is True
    assert result["extracted_data"]["extracted_text"] == "test doc"
    assert {field["value"] for field in result["fields"].values()} == {None}
    assert [finding["code"] for finding in result["findings"]] == ["not_an_invoice"]
    assert result["confidence_score"] == 0


def test_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(DocumentError("broken", "It is broken.")))  # noqa: S301
    assert (error.code, str(error)) == ("broken", "It is broken.")
