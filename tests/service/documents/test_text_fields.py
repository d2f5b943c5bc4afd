from __future__ import annotations

import pytest

from benchmarks.documents import normalise
from service.domain.documents import FIELD_NAMES
from tests.documents import build_pdf, make_invoice
from tests.documents.pdf import LAYOUTS
from tests.service.documents.letters import LETTERS
from tests.service.documents.sending import as_base64, read_values


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", ["de", "fr", "en", "it", "ch"])
def test_own_invoices_are_read_from_their_text(language: str, layout: str) -> None:
    for seed in range(3):
        invoice = make_invoice(language, seed, is_credit=seed == 2)
        assert read_values(as_base64(build_pdf(invoice, layout, date_style=seed))) == invoice.truth


@pytest.mark.parametrize("name", LETTERS)
def test_letters_in_plain_text(name: str) -> None:
    expected, text = LETTERS[name]
    values = read_values({"content": text})
    for field, value in expected.items():
        assert normalise(field, values[field]) == normalise(field, value), field
    assert set(values) == set(FIELD_NAMES)


def test_a_number_below_its_label_after_addresses_side_by_side() -> None:
    addresses = "Bill to:    Ship to:\nAlpha Ltd    Beta Ltd\nHigh Street 1    Low Road 2\nLondon    Leeds\n"
    text = f"Gamma Supplies Ltd\n{addresses}\nInvoice number\nA-778899\n\nTotal: GBP 120.00\n"
    assert read_values({"content": text})["invoice_number"] == "A-778899"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("Cancellation invoice no. C-17\nCancels partly the invoice no. F-9", "C-17", id="en"),
        pytest.param("Stornorechnung Nr. C-17\nStorniert teilweise Rechnung Nr. F-9", "C-17", id="de"),
        pytest.param("Annule partiellement la facture n° F-9\nAvoir n° C-17", "C-17", id="fr"),
    ],
)
def test_what_is_annulled_is_not_the_document_itself(text: str, number: str) -> None:
    assert read_values({"content": f"{text}\nTotal: EUR -12.00"})["invoice_number"] == number


def test_html_tables_keep_their_rows() -> None:
    sums = {"Total HT": "100,00&nbsp;€", "TVA 20 %": "20,00&nbsp;€", "Total TTC": "120,00&nbsp;€"}
    rows = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in sums.items())
    head = "<!DOCTYPE html><html><style>p{}</style><h1>Facture n° 12-7</h1><p>Date : 3 mai 2024</p>"
    markup = f"{head}<table>{rows}</table>"
    values = read_values({"content": markup})
    assert (values["invoice_number"], values["issue_date"]) == ("12-7", "2024-05-03")
    assert (values["untaxed"], values["tax"], values["total"]) == ("100.00", "20.00", "120.00")
