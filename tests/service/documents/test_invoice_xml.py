from __future__ import annotations

import pytest

from service.domain.documents import DocumentError, analyse, extract_text, load_document, read_fields
from service.domain.documents.invoice_xml import read_invoice_xml
from tests.documents import build_pdf, build_xml, make_invoice
from tests.documents.broken import ENTITY_BOMB, EXTERNAL_ENTITY, pdf_with_attachment
from tests.documents.facturx import ATTACHMENT_NAMES, PROFILES, Flavour, truth_of_xml
from tests.service.documents.sending import as_base64, read_values


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("flavour", ["cii", "zugferd1"])
def test_every_profile_in_both_namespaces(profile: str, flavour: Flavour) -> None:
    invoice = make_invoice("de", 3)
    pdf = build_pdf(make_invoice("de", 4), xml=build_xml(invoice, profile, flavour))
    assert read_values(as_base64(pdf)) == truth_of_xml(invoice, profile)


@pytest.mark.parametrize("name", ATTACHMENT_NAMES)
def test_every_attachment_name(name: str) -> None:
    invoice = make_invoice("fr", 3)
    assert read_values(as_base64(build_pdf(invoice, xml=build_xml(invoice), xml_name=name))) == invoice.truth


def test_attachment_that_only_af_names() -> None:
    invoice = make_invoice("it", 9)
    pdf = pdf_with_attachment("factur-x.xml", build_xml(invoice), only_associated=True)
    assert read_values(as_base64(pdf)) == invoice.truth


@pytest.mark.parametrize("flavour", ["cii", "zugferd1", "ubl"])
@pytest.mark.parametrize("bom", [False, True], ids=["plain", "bom"])
def test_xml_alone(flavour: Flavour, bom: bool) -> None:
    invoice = make_invoice("en", 2, is_credit=True)
    data = build_xml(invoice, flavour=flavour, bom=bom)
    assert read_values(as_base64(data, "application/xml")) == invoice.truth
    assert read_values({"content": data.decode()}) == invoice.truth


def test_xml_is_exact_and_says_so() -> None:
    result = analyse(as_base64(build_xml(make_invoice("de", 3), "minimum"), "text/xml"), "job")
    assert {field["source"] for field in result["fields"].values()} == {"factur-x"}
    assert result["fields"]["iban"] == {"value": None, "source": "factur-x", "confidence": 0.99}
    assert result["fields"]["vat"]["valid"] is True
    assert result["confidence_score"] == 0.99


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(ENTITY_BOMB, "unsafe_xml", id="entity-bomb"),
        pytest.param(EXTERNAL_ENTITY, "unsafe_xml", id="external-entity"),
        pytest.param(b"<?xml version='1.0'?><Invoice>", "broken", id="cut"),
        pytest.param(b"<?xml version='1.0' encoding='no-such'?><Invoice/>", "broken", id="encoding"),
    ],
)
def test_refused_xml(data: bytes, code: str) -> None:
    with pytest.raises(DocumentError) as error:
        analyse(as_base64(data, "application/xml"), "job")
    assert error.value.code == code


@pytest.mark.parametrize("amount", ["NaN", "1E999999999", "Infinity", "12,50", ""])
def test_amount_that_is_no_plain_decimal_is_none(amount: str) -> None:
    invoice = make_invoice("de", 3)
    xml = (
        build_xml(invoice)
        .decode()
        .replace(f"<ram:GrandTotalAmount>{invoice.total}<", f"<ram:GrandTotalAmount>{amount}<")
    )
    result = analyse({"content": xml}, "job")
    assert result["extracted_data"]["invoice_amount"] is None


@pytest.mark.parametrize("flavour", ["cii", "ubl"])
def test_vat_id_of_a_country_that_is_not_checked_is_no_error(flavour: Flavour) -> None:
    invoice = make_invoice("de", 3)
    xml = build_xml(invoice, flavour=flavour).decode().replace(invoice.seller.vat, "NO 974 760 673 MVA")
    result = analyse({"content": xml}, "job")
    assert result["fields"]["vat"] == {"value": "NO974760673MVA", "source": "factur-x", "confidence": 0.99}
    assert "vat_invalid" not in [finding["code"] for finding in result["findings"]]


@pytest.mark.parametrize(("scheme", "is_read"), [("", True), ("<TaxScheme><ID>FC</ID></TaxScheme>", False)])
def test_vat_id_without_the_scheme_vat(scheme: str, is_read: bool) -> None:
    vat = make_invoice("de", 3).seller.vat
    party = f"<Party><PartyTaxScheme><CompanyID>{vat}</CompanyID>{scheme}</PartyTaxScheme></Party>"
    fields = read_invoice_xml(f"<Invoice><AccountingSupplierParty>{party}</AccountingSupplierParty></Invoice>".encode())
    assert fields is not None
    assert fields.value("vat") == (vat if is_read else None)


def test_entity_bomb_in_a_pdf_is_refused() -> None:
    with pytest.raises(DocumentError, match="entities"):
        analyse(as_base64(pdf_with_attachment("factur-x.xml", ENTITY_BOMB)), "job")


def test_broken_attachment_falls_back_to_the_text_and_says_so() -> None:
    pdf = pdf_with_attachment("factur-x.xml", b"<?xml version='1.0'?><CrossIndustryInvoice>")
    result = analyse(as_base64(pdf), "job")
    total = make_invoice("de", 1).truth["total"]
    assert result["fields"]["total"] == {"value": total, "source": "text", "confidence": 0.97}
    assert "embedded_xml_broken" in [finding["code"] for finding in result["findings"]]


def test_other_xml_is_read_as_text() -> None:
    extracted = extract_text(load_document({"content": "<?xml version='1.0'?><a><b>Rechnung Nr. 7</b></a>"}))
    assert extracted.text == "Rechnung Nr. 7"
    assert read_fields(extracted).value("invoice_number") == "7"
    assert read_invoice_xml(b"<a/>") is None
