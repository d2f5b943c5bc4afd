from __future__ import annotations

import random
import time

import pytest

from service.domain.documents import DocumentError, Limits, analyse, load_document
from service.domain.documents.extraction import extract_text
from service.domain.documents.pdf import clean_text
from tests.documents import build_pdf, build_xml, make_invoice, sample_invoice, sample_invoice_pdf
from tests.documents.broken import bomb_pdf, empty_pdf, encrypted_pdf, long_pdf, looping_pdf, scanned_pdf
from tests.service.documents.sending import as_base64, read_values


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        pytest.param(encrypted_pdf("secret"), "encrypted", "password", id="user-password"),
        pytest.param(scanned_pdf(), "scanned", "Send a PDF with a text layer", id="scanned"),
        pytest.param(empty_pdf(), "no_text", "no text", id="empty-page"),
        pytest.param(bomb_pdf(), "too_large", "unpacks", id="bomb"),
        pytest.param(long_pdf(201), "too_many_pages", "more than 200 pages", id="too-many-pages"),
        pytest.param(b"%PDF-1.7 and nothing else", "broken", "damaged", id="no-objects"),
        pytest.param(sample_invoice_pdf()[:2000], "broken", "damaged", id="cut"),
    ],
)
def test_refused_with_a_reason(data: bytes, code: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as error:
        analyse(as_base64(data), "job")
    assert error.value.code == code


def test_owner_password_alone_does_not_matter() -> None:
    assert read_values(as_base64(encrypted_pdf("")))["total"] == make_invoice("de", 1).truth["total"]


def test_form_that_draws_itself_ends() -> None:
    with pytest.raises(DocumentError):
        analyse(as_base64(looping_pdf()), "job")


def test_page_content_is_bounded() -> None:
    with pytest.raises(DocumentError, match="unpacks"):
        extract_text(load_document(as_base64(sample_invoice_pdf()), Limits(page_operations=50)))


def test_time_is_bounded() -> None:
    with pytest.raises(DocumentError, match="took more than"):
        extract_text(load_document(as_base64(sample_invoice_pdf()), Limits(extraction_s=0)))


def test_what_json_cannot_hold_is_cleaned() -> None:
    assert clean_text("a\ud83d\udcdeb\ud83d\x00c\td\r\ne") == "a📞bc    d\ne"


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_give_a_result_or_a_document_error(seed: int) -> None:
    """Mutations of our own documents, encrypted and not: never an error of pypdf's."""
    chance = random.Random(seed)
    invoice = make_invoice("fr", seed)
    originals = (build_pdf(invoice, xml=build_xml(invoice)), encrypted_pdf(""), scanned_pdf())
    for _ in range(25):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 3, 20, 200))):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(8, len(data)) :]
        try:
            assert analyse(as_base64(bytes(data), None), "job")["analysis_complete"]
        except DocumentError:
            continue


def test_twenty_pages_take_under_two_seconds() -> None:
    pdf = as_base64(build_pdf(sample_invoice(), extra_pages=19))
    started = time.process_time()
    assert analyse(pdf, "job")["fields"]["total"]["value"] == "3063.27"
    assert time.process_time() - started < 2
