"""The words, dates and amounts of each language as its invoices write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
_MONTHS["ch"] = _MONTHS["de"]


@dataclass(frozen=True)
class Wording:
    """Labels of an invoice in one language."""

    title: str
    credit: str
    number: str
    issued: str
    due: str
    seller: str
    buyer: str
    columns: tuple[str, str, str, str, str]
    untaxed: str
    tax: str
    tax_total: str
    total: str
    vat: str
    thanks: str


WORDINGS = {
    "de": Wording(
        "Rechnung", "Gutschrift", "Rechnungsnummer", "Rechnungsdatum", "Fällig am", "Rechnungssteller",
        "Rechnungsempfänger",
        ("Menge", "Bezeichnung", "MwSt.", "Einzelpreis", "Gesamt"), "Nettobetrag", "zzgl. {rate} % MwSt. auf {base}",
        "Umsatzsteuer gesamt", "Rechnungsbetrag", "USt-IdNr.", "Vielen Dank für Ihren Auftrag.",
    ),
    "fr": Wording(
        "Facture", "Avoir", "N° de facture", "Date de facture", "Date d'échéance", "Émetteur", "Facturé à",
        ("Qté", "Désignation", "TVA", "Prix unitaire", "Montant HT"), "Total HT", "TVA {rate} % sur {base}",
        "Total TVA", "Total TTC", "N° TVA intracommunautaire", "Nous vous remercions de votre confiance.",
    ),
    "en": Wording(
        "Invoice", "Credit note", "Invoice number", "Invoice date", "Due date", "From", "Bill to",
        ("Qty", "Description", "VAT", "Unit price", "Amount"), "Subtotal", "VAT {rate}% on {base}",
        "Total VAT", "Total due", "VAT Reg No", "Thank you for your business.",
    ),
    "it": Wording(
        "Fattura", "Nota di credito", "Numero fattura", "Data fattura", "Scadenza", "Fornitore", "Destinatario",
        ("Q.tà", "Descrizione", "IVA", "Prezzo unitario", "Importo"), "Totale imponibile", "IVA {rate}% su {base}",
        "Totale IVA", "Totale fattura", "Partita IVA", "Grazie per la fiducia.",
    ),
    "ch": Wording(
        "Rechnung", "Gutschrift", "Rechnungs-Nr.", "Rechnungsdatum", "Zahlbar bis", "Absender", "Rechnung an",
        ("Menge", "Bezeichnung", "MWST", "Preis", "Betrag"), "Total netto", "MWST {rate}% auf {base}",
        "MWST total", "Total inkl. MWST", "MWST-Nr.", "Besten Dank für Ihren Auftrag.",
    ),
}  # fmt: skip

_SEPARATORS = {"de": (".", ","), "fr": (" ", ","), "en": (",", "."), "it": (".", ","), "ch": ("'", ".")}
_SIGNS = {"EUR": "€", "GBP": "£", "CHF": "CHF", "USD": "$"}


def write_amount(value: Decimal, language: str, currency: str = "", *, trailing_sign: bool = False) -> str:
    """`value` as the language writes it: "1.234,56 €", "£1,234.56", "CHF 1'234.56", "418,25-"."""
    thousands, point = _SEPARATORS[language]
    plain = f"{abs(value):,.2f}".replace(",", "_").replace(".", point).replace("_", thousands)
    if trailing_sign and value < 0:
        return plain + "-"
    sign = "-" if value < 0 else ""
    mark = _SIGNS.get(currency, currency)
    if not mark:
        return sign + plain
    return (
        f"{sign}{mark}{plain}"
        if mark in "£$"
        else f"{mark} {sign}{plain}"
        if language == "ch"
        else f"{sign}{plain} {mark}"
    )


def write_date(value: date, language: str, style: int = 0) -> str:
    """`value` in one of three styles: in digits, with the month's name, ISO."""
    if style == 2:
        return value.isoformat()
    month = _MONTHS[language].split()[value.month - 1]
    if style == 1:
        return f"{value.day}{'.' if language in ('de', 'ch') else ''} {month} {value.year}"
    return value.strftime("%d.%m.%Y" if language in ("de", "ch") else "%d/%m/%Y")


def write_grouped(number: str) -> str:
    """An IBAN in groups of four."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))
