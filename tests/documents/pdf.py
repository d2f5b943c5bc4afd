"""Invoices as PDF in several layouts, with or without embedded XML."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from fpdf import FPDF

from tests.documents.invoice import Invoice, Party
from tests.documents.wording import WORDINGS, Wording, write_amount, write_date, write_grouped


class _Page(FPDF):
    """A page of Helvetica that can write the euro sign."""

    def __init__(self) -> None:
        super().__init__()
        # The built-in fonts are written with WinAnsiEncoding, whatever fpdf's default says.
        self.core_fonts_encoding = "windows-1252"
        self.set_creation_date(datetime(2025, 1, 1, tzinfo=UTC))
        self.add_page()
        self.set_font("Helvetica", size=10)

    def put(self, x: float, y: float, text: str, size: int = 10, style: str = "") -> None:
        self.set_font("Helvetica", style, size)
        self.set_xy(x, y)
        self.cell(0, 5, text)

    def put_right(self, right: float, y: float, text: str, style: str = "") -> None:
        self.set_font("Helvetica", style, 10)
        self.set_xy(right - 60, y)
        self.cell(60, 5, text, align="R")


def build_pdf(
    invoice: Invoice,
    layout: str = "window",
    *,
    xml: bytes | None = None,
    xml_name: str = "factur-x.xml",
    date_style: int = 0,
    extra_pages: int = 0,
) -> bytes:
    """The invoice as a PDF in one of LAYOUTS; `xml` is embedded under `xml_name`."""
    page = _Page()
    LAYOUTS[layout](page, invoice, WORDINGS[invoice.language], date_style)
    for number in range(extra_pages):
        page.add_page()
        for row in range(50):
            page.put(20, 15 + row * 5, f"{number + 2}.{row + 1}  {WORDINGS[invoice.language].thanks} " * 2, 8)
    if xml is not None:
        page.embed_file(bytes=xml, basename=xml_name, mime_type="text/xml")
    return bytes(page.output())


def _title(invoice: Invoice, words: Wording) -> str:
    return words.credit if invoice.total < 0 else words.title


def _address(party: Party) -> list[str]:
    town = f"{party.city} {party.postcode}" if party.country == "GB" else f"{party.postcode} {party.city}"
    return [party.name, party.street, town]


def _window(page: _Page, invoice: Invoice, words: Wording, date_style: int) -> None:
    """A letter for a window envelope: sender line, address, data at the right, bank and tax number in the foot."""
    page.put(20, 45, " · ".join(_address(invoice.seller)), 7)
    for row, text in enumerate(_address(invoice.buyer)):
        page.put(20, 52 + row * 5, text)
    data = (
        (words.number, invoice.number),
        (words.issued, write_date(invoice.issued, invoice.language, date_style)),
        (words.due, write_date(invoice.due, invoice.language, date_style)),
    )
    for row, (label, value) in enumerate(data):
        page.put(125, 52 + row * 5, f"{label}: {value}")
    page.put(20, 85, _title(invoice, words), 16, "B")
    bottom = _table(page, invoice, words, 100)
    _sums(page, invoice, words, bottom + 5)
    page.put(20, 265, f"{invoice.seller.name}  {words.vat} {invoice.seller.vat}  IBAN {write_grouped(invoice.iban)}", 7)


def _letterhead(page: _Page, invoice: Invoice, words: Wording, date_style: int) -> None:
    """The seller with its numbers at the top, the title with the number, the buyer under a heading."""
    for row, text in enumerate([*_address(invoice.seller), "Tel. +00 555 0100", f"{words.vat}: {invoice.seller.vat}"]):
        page.put(20, 15 + row * 5, text, style="B" if row == 0 else "")
    page.put(20, 50, f"{_title(invoice, words)} N° {invoice.number}", 16, "B")
    page.put(20, 60, f"{words.issued} : {write_date(invoice.issued, invoice.language, date_style)}")
    page.put(20, 65, f"{words.due} : {write_date(invoice.due, invoice.language, date_style)}")
    page.put(120, 60, f"{words.buyer} :", style="B")
    for row, text in enumerate([*_address(invoice.buyer), f"{words.vat}: {invoice.buyer.vat}"]):
        page.put(120, 65 + row * 5, text)
    bottom = _table(page, invoice, words, 95)
    _sums(page, invoice, words, bottom + 5)
    page.put(20, 265, f"IBAN: {invoice.iban}", 8)


def _columns(page: _Page, invoice: Invoice, words: Wording, date_style: int) -> None:
    """Seller and buyer in two headed columns, each written whole; the data in a grid of heads over values."""
    for x, heading, party in ((20, words.seller, invoice.seller), (110, words.buyer, invoice.buyer)):
        page.put(x, 15, f"{heading}:", style="B")
        for row, text in enumerate(_address(party)):
            page.put(x, 21 + row * 5, text)
    page.put(20, 40, f"{words.vat}: {invoice.seller.vat}")
    page.put(20, 55, _title(invoice, words).upper(), 18, "B")
    heads = (words.number, words.issued, words.due)
    values = (
        invoice.number,
        write_date(invoice.issued, invoice.language, date_style),
        write_date(invoice.due, invoice.language, date_style),
    )
    for column, text in enumerate(heads):
        page.put(20 + column * 60, 66, text, style="B")
    for column, text in enumerate(values):
        page.put(20 + column * 60, 72, text)
    bottom = _table(page, invoice, words, 85)
    _sums(page, invoice, words, bottom + 5)
    page.put(20, 250, f"IBAN {write_grouped(invoice.iban)}")


def _prose(page: _Page, invoice: Invoice, words: Wording, date_style: int) -> None:
    """A plain letter: place and date, title and number in one line, labels over values in the sums."""
    for row, text in enumerate(_address(invoice.seller)):
        page.put(120, 15 + row * 5, text)
    page.put(120, 30, f"{words.vat} {invoice.seller.vat}")
    for row, text in enumerate(_address(invoice.buyer)):
        page.put(20, 45 + row * 5, text)
    page.put(20, 70, f"{invoice.seller.city}, {write_date(invoice.issued, invoice.language, date_style or 1)}")
    page.put(20, 80, f"{_title(invoice, words)} {invoice.number}", 14, "B")
    bottom = _table(page, invoice, words, 95)
    labels = (words.untaxed, words.tax_total, words.total)
    for row, label in enumerate(labels):
        page.put(110, bottom + 10 + row * 5, label)
    for row, value in enumerate((invoice.untaxed, invoice.tax, invoice.total)):
        page.put_right(195, bottom + 10 + row * 5, write_amount(value, invoice.language, invoice.currency))
    page.put(20, 230, f"IBAN: {write_grouped(invoice.iban)}")


def _table(page: _Page, invoice: Invoice, words: Wording, top: float) -> float:
    lefts = (20, 40, 110, 130, 165)
    for left, text in zip(lefts, words.columns, strict=True):
        page.put(left, top, text, style="B")
    y = top + 6
    for line in invoice.lines:
        cells = (
            str(line.quantity),
            line.description,
            f"{line.rate} %",
            write_amount(line.unit_price, invoice.language),
            write_amount(line.net, invoice.language),
        )
        for left, text in zip(lefts, cells, strict=True):
            page.put(left, y, text)
        y += 6
    return y


def _sums(page: _Page, invoice: Invoice, words: Wording, y: float) -> None:
    def write(value: Decimal) -> str:
        return write_amount(value, invoice.language, invoice.currency)

    rows = [(words.untaxed, invoice.untaxed)]
    rows += [(words.tax.format(rate=rate, base=write(base)), tax) for rate, (base, tax) in invoice.taxes.items()]
    if len(invoice.taxes) > 1:
        rows.append((words.tax_total, invoice.tax))
    rows.append((words.total, invoice.total))
    for row, (label, value) in enumerate(rows):
        page.put(110, y + row * 6, label)
        page.put_right(195, y + row * 6, write(value), "B" if row == len(rows) - 1 else "")


LAYOUTS: dict[str, Callable[[_Page, Invoice, Wording, int], None]] = {
    "window": _window,
    "letterhead": _letterhead,
    "columns": _columns,
    "prose": _prose,
}
