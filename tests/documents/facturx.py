"""Invoice XML of every profile: CII (Factur-X, ZUGFeRD 2), ZUGFeRD 1.0, and UBL (XRechnung)."""

from __future__ import annotations

from typing import Literal
from xml.sax.saxutils import escape

from tests.documents.invoice import Invoice, Party

Flavour = Literal["cii", "zugferd1", "ubl"]
PROFILES = ("minimum", "basicwl", "basic", "en16931", "extended", "xrechnung")
ATTACHMENT_NAMES = ("factur-x.xml", "zugferd-invoice.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml", "anlage.xml")

_GUIDELINES = {
    "minimum": "urn:factur-x.eu:1p0:minimum",
    "basicwl": "urn:factur-x.eu:1p0:basicwl",
    "basic": "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic",
    "en16931": "urn:cen.eu:en16931:2017",
    "extended": "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended",
    "xrechnung": "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
}
_CII_NAMES = {
    "root": "CrossIndustryInvoice",
    "context": "ExchangedDocumentContext",
    "document": "ExchangedDocument",
    "transaction": "SupplyChainTradeTransaction",
    "agreement": "ApplicableHeaderTradeAgreement",
    "settlement": "ApplicableHeaderTradeSettlement",
    "sums": "SpecifiedTradeSettlementHeaderMonetarySummation",
    "uri": "urn:un:unece:uncefact:data:standard:{}:100",
}
_ZUGFERD1_NAMES = {
    "root": "CrossIndustryDocument",
    "context": "SpecifiedExchangedDocumentContext",
    "document": "HeaderExchangedDocument",
    "transaction": "SpecifiedSupplyChainTradeTransaction",
    "agreement": "ApplicableSupplyChainTradeAgreement",
    "settlement": "ApplicableSupplyChainTradeSettlement",
    "sums": "SpecifiedTradeSettlementMonetarySummation",
    "uri": "urn:un:unece:uncefact:data:standard:{}:12",
}


def build_xml(invoice: Invoice, profile: str = "en16931", flavour: Flavour = "cii", *, bom: bool = False) -> bytes:
    """The invoice as XML. `minimum` leaves out lines, due date and IBAN, as that profile does."""
    body = _build_ubl(invoice) if flavour == "ubl" else _build_cii(invoice, profile, flavour)
    return (b"\xef\xbb\xbf" if bom else b"") + f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


def truth_of_xml(invoice: Invoice, profile: str) -> dict[str, str | None]:
    """The fields that XML of `profile` holds."""
    return {**invoice.truth, "iban": None} if profile == "minimum" else invoice.truth


def _build_cii(invoice: Invoice, profile: str, flavour: Flavour) -> str:
    n = _ZUGFERD1_NAMES if flavour == "zugferd1" else _CII_NAMES
    model = (
        "CrossIndustryDocument:invoice:1p0"
        if flavour == "zugferd1"
        else "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
    )
    root_uri = f"urn:ferd:{model}" if flavour == "zugferd1" else model
    return f"""<rsm:{n["root"]} xmlns:rsm="{root_uri}"
 xmlns:ram="{n["uri"].format("ReusableAggregateBusinessInformationEntity")}"
 xmlns:udt="{n["uri"].format("UnqualifiedDataType")}">
<rsm:{n["context"]}><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>{_GUIDELINES[profile]}</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:{n["context"]}>
<rsm:{n["document"]}><ram:ID>{escape(invoice.number)}</ram:ID><ram:TypeCode>380</ram:TypeCode>
<ram:IssueDateTime>{_date(invoice.issued.strftime("%Y%m%d"))}</ram:IssueDateTime></rsm:{n["document"]}>
<rsm:{n["transaction"]}>
<ram:{n["agreement"]}>{_party("Seller", invoice.seller)}{_party("Buyer", invoice.buyer)}</ram:{n["agreement"]}>
<ram:{n["settlement"]}><ram:InvoiceCurrencyCode>{invoice.currency}</ram:InvoiceCurrencyCode>
{"" if profile == "minimum" else _payment(invoice)}
<ram:{n["sums"]}>{_sums(invoice)}</ram:{n["sums"]}>
</ram:{n["settlement"]}>
</rsm:{n["transaction"]}>
</rsm:{n["root"]}>"""


def _date(written: str) -> str:
    return f'<udt:DateTimeString format="102">{written}</udt:DateTimeString>'


def _party(role: str, party: Party) -> str:
    return f"""<ram:{role}TradeParty><ram:Name>{escape(party.name)}</ram:Name>
<ram:PostalTradeAddress><ram:PostcodeCode>{party.postcode}</ram:PostcodeCode><ram:LineOne>{escape(party.street)}</ram:LineOne>
<ram:CityName>{escape(party.city)}</ram:CityName><ram:CountryID>{party.country}</ram:CountryID></ram:PostalTradeAddress>
<ram:SpecifiedTaxRegistration><ram:ID schemeID="FC">12/345/67890</ram:ID></ram:SpecifiedTaxRegistration>
<ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">{party.vat}</ram:ID></ram:SpecifiedTaxRegistration>
</ram:{role}TradeParty>"""


def _payment(invoice: Invoice) -> str:
    return f"""<ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>58</ram:TypeCode>
<ram:PayeePartyCreditorFinancialAccount><ram:IBANID>{invoice.iban}</ram:IBANID></ram:PayeePartyCreditorFinancialAccount>
</ram:SpecifiedTradeSettlementPaymentMeans>
<ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime>{_date(invoice.due.strftime("%Y%m%d"))}</ram:DueDateDateTime>
</ram:SpecifiedTradePaymentTerms>"""


def _sums(invoice: Invoice) -> str:
    return f"""<ram:LineTotalAmount>{invoice.untaxed}</ram:LineTotalAmount>
<ram:TaxBasisTotalAmount>{invoice.untaxed}</ram:TaxBasisTotalAmount>
<ram:TaxTotalAmount currencyID="XXX">1.00</ram:TaxTotalAmount>
<ram:TaxTotalAmount currencyID="{invoice.currency}">{invoice.tax}</ram:TaxTotalAmount>
<ram:GrandTotalAmount>{invoice.total}</ram:GrandTotalAmount><ram:DuePayableAmount>{invoice.total}</ram:DuePayableAmount>"""


def _build_ubl(invoice: Invoice) -> str:
    return f"""<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:CustomizationID>{_GUIDELINES["xrechnung"]}</cbc:CustomizationID><cbc:ID>{escape(invoice.number)}</cbc:ID>
<cbc:IssueDate>{invoice.issued}</cbc:IssueDate><cbc:DueDate>{invoice.due}</cbc:DueDate>
<cbc:DocumentCurrencyCode>{invoice.currency}</cbc:DocumentCurrencyCode>
{_ubl_party("Supplier", invoice.seller)}{_ubl_party("Customer", invoice.buyer)}
<cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>{invoice.iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
<cac:TaxTotal><cbc:TaxAmount currencyID="{invoice.currency}">{invoice.tax}</cbc:TaxAmount></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount>{invoice.untaxed}</cbc:TaxExclusiveAmount>
<cbc:TaxInclusiveAmount>{invoice.total}</cbc:TaxInclusiveAmount></cac:LegalMonetaryTotal>
</Invoice>"""


def _ubl_party(role: str, party: Party) -> str:
    return f"""<cac:Accounting{role}Party><cac:Party>
<cac:PartyTaxScheme><cbc:CompanyID>12/345/67890</cbc:CompanyID>
<cac:TaxScheme><cbc:ID>FC</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
<cac:PartyTaxScheme><cbc:CompanyID>{party.vat}</cbc:CompanyID>
<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>{escape(party.name)}</cbc:RegistrationName></cac:PartyLegalEntity>
</cac:Party></cac:Accounting{role}Party>"""
