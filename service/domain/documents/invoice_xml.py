"""Reads the fields of invoice XML: Factur-X and ZUGFeRD (CII, all profiles, versions 1.0 to 2.x) and UBL (XRechnung).

Paths are by local name: ZUGFeRD 1.0 (`CrossIndustryDocument`) and CII (`CrossIndustryInvoice`, D16B and D22B) name the
same things in other namespaces and under slightly other elements. The XML is exact: a field that it does not hold is
None and is not looked for in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from service.domain.documents.identifiers import check_vat, compact, is_valid_iban
from service.domain.documents.model import DocumentError, Field, Fields

_CII_ROOTS = ("CrossIndustryInvoice", "CrossIndustryDocument")
_UBL_ROOTS = ("Invoice", "CreditNote")

_PLAIN_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{0,20})?|[+-]?\.[0-9]{1,20}")

# Certain but for a writer that put something else into the XML than on the page.
_EXACT = 0.99

# "a|b" is either name, "//" any depth below the root, "[x=y]" an attribute's value.
_CII = {
    "invoice_number": "ExchangedDocument|HeaderExchangedDocument/ID",
    "issue_date": "ExchangedDocument|HeaderExchangedDocument/IssueDateTime/DateTimeString|DateTime|Date",
    "currency": "*/*/InvoiceCurrencyCode",
    "total": "*/*/*MonetarySummation/GrandTotalAmount",
    "untaxed": "*/*/*MonetarySummation/TaxBasisTotalAmount",
    "tax": "*/*/*MonetarySummation/TaxTotalAmount",
    "seller": "*/*/SellerTradeParty/Name",
    "buyer": "*/*/BuyerTradeParty/Name",
    "iban": "*/*/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID",
    "vat": "*/*/SellerTradeParty/SpecifiedTaxRegistration/ID[schemeID=VA]",
    "due_date": "*/*/SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString|DateTime",
}
_UBL = {
    "invoice_number": "ID",
    "issue_date": "IssueDate",
    "currency": "DocumentCurrencyCode",
    "total": "LegalMonetaryTotal/TaxInclusiveAmount",
    "untaxed": "LegalMonetaryTotal/TaxExclusiveAmount",
    "tax": "TaxTotal/TaxAmount",
    "seller": "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
    "buyer": "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
    "iban": "PaymentMeans/PayeeFinancialAccount/ID",
    "vat": "AccountingSupplierParty/Party/PartyTaxScheme",
    "due_date": "DueDate",
}


def is_invoice_xml(data: bytes) -> bool:
    """Whether the root element is one that `read_invoice_xml` reads. Raises as `parse_xml`."""
    return _paths_for(parse_xml(data)) is not None


def read_invoice_xml(data: bytes) -> Fields | None:
    """The fields of an invoice's XML; None where its root is of no known invoice format. Raises as `parse_xml`."""
    root = parse_xml(data)
    paths = _paths_for(root)
    if paths is None:
        return None
    currency = _first_text(root, paths["currency"])
    values = {name: _first_text(root, path) for name, path in paths.items()}
    values["tax"] = _tax_in(root, paths["tax"], currency)
    if paths is _UBL:
        values["vat"] = _vat_in(root, paths["vat"])
    due_date = _read_date(values.pop("due_date"))
    return Fields({name: _build_field(name, value) for name, value in values.items()}, due_date)


def parse_xml(data: bytes) -> Element:
    """The root element. Raises DocumentError: `unsafe_xml` for any DTD or entity declaration, `broken` for bad XML."""
    try:
        root = fromstring(data.strip(), forbid_dtd=True)
    except DefusedXmlException:
        raise DocumentError(
            "unsafe_xml", "The XML declares a document type or entities, which are refused. Send it without."
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise DocumentError("broken", f"The XML is not well-formed: {error}.") from None
    if not isinstance(root, Element):
        raise DocumentError("broken", "The XML has no root element.")
    return root


def xml_text(data: bytes) -> str:
    """The text content of XML, an element a line: what there is to read where it is no invoice."""
    return "\n".join(text for element in parse_xml(data).iter() if (text := (element.text or "").strip()))


def _paths_for(root: Element) -> dict[str, str] | None:
    name = _local_name(root)
    return _CII if name in _CII_ROOTS else _UBL if name in _UBL_ROOTS else None


def _local_name(element: Element) -> str:
    # Comments and processing instructions have a function for a tag.
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _find(element: Element, path: str) -> Iterator[Element]:
    """Each element at `path` below `element`, in the document's order."""
    step, _, rest = path.partition("/")
    names, _, condition = step.partition("[")
    for child in element:
        if not any(_matches(_local_name(child), name) for name in names.split("|")):
            continue
        if condition and child.get(condition.partition("=")[0]) != condition.rstrip("]").partition("=")[2]:
            continue
        if rest:
            yield from _find(child, rest)
        else:
            yield child


def _matches(name: str, pattern: str) -> bool:
    return pattern == "*" or name == pattern or (pattern.startswith("*") and name.endswith(pattern[1:]))


def _first_text(root: Element, path: str) -> str | None:
    return next((text for element in _find(root, path) if (text := (element.text or "").strip())), None)


def _tax_in(root: Element, path: str, currency: str | None) -> str | None:
    """The tax total in the invoice's currency: an invoice in another one than its tax office's holds both."""
    totals = [element for element in _find(root, path) if (element.text or "").strip()]
    in_currency = [element for element in totals if element.get("currencyID") in (currency, None)]
    return ((in_currency or totals)[0].text or "").strip() if totals else None


def _vat_in(root: Element, path: str) -> str | None:
    """The id under the scheme VAT: a tax number stands in the same place under another. Without schemes, the first."""
    by_scheme: dict[str | None, str] = {}
    for element in _find(root, path):
        company_id, scheme = _first_text(element, "CompanyID"), _first_text(element, "TaxScheme/ID")
        if company_id is not None:
            by_scheme.setdefault(scheme.upper() if scheme is not None else None, company_id)
    return by_scheme.get("VAT", by_scheme.get(None))


def _build_field(name: str, written: str | None) -> Field:
    value, valid = written, None
    if name in ("total", "untaxed", "tax"):
        value = _read_amount(written)
    elif name == "issue_date":
        value = _read_date(written)
    elif name in ("iban", "vat") and written is not None:
        value = compact(written)
        valid = is_valid_iban(value) if name == "iban" else check_vat(value)
    return Field(value, "factur-x", _EXACT, valid)


def _read_amount(written: str | None) -> str | None:
    """To the cent; None for what is no plain decimal: NaN, or 1E999999, which would be written out in full."""
    return f"{Decimal(written):.2f}" if written is not None and _PLAIN_DECIMAL.fullmatch(written) else None


def _read_date(written: str | None) -> str | None:
    """ISO date of "20180305" (format 102), "2018-03-05" or "2018-03-05T00:00:00"; None for anything else."""
    match = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", written or "")
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).isoformat() if match else None
    except ValueError:
        return None
