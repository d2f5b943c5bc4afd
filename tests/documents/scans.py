"""Scans: pages of text drawn as pictures, alone and in PDFs."""

from __future__ import annotations

import io

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

INVOICE_TEXT = """Tidewater Print plc
Unit 5, Dock Street
Leeds LS10 1JF

Customer:
Greenacre Foods Ltd
9 Harbour Lane
Bristol BS1 5DB

Invoice number: F2024/4132
Invoice date: 15/12/2024

Subtotal GBP 966.51
VAT 20% GBP 193.30
Total due GBP 1,159.81
VAT Reg No GB454894645 IBAN GB64 NWBK 5958 7587 5105 38"""


def draw_page(text: str = INVOICE_TEXT, mode: str = "L") -> Image.Image:
    """A page of A4 with 150 dots per inch. Pillow's own font has no signs of currencies."""
    page = Image.new("L", (1240, 1754), 255)
    ImageDraw.Draw(page).multiline_text((90, 90), text, font=ImageFont.load_default(24), fill=0, spacing=14)
    return page.convert(mode, dither=Image.Dither.NONE)


def write_picture(picture: Image.Image, file_format: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, file_format)
    return out.getvalue()


def build_scan(*pages: str | Image.Image, image_filter: str = "AUTO", stamp: str = "", width_mm: float = 210) -> bytes:
    """A PDF whose pages are either text, or pictures that fill them (less, by `width_mm`) with the text `stamp` upon
    each; `image_filter`: how they are compressed."""
    pdf = FPDF()
    pdf.set_image_filter(image_filter)
    pdf.set_font("Helvetica")
    for page in pages:
        pdf.add_page()
        if isinstance(page, str):
            pdf.multi_cell(0, 6, page)
        else:
            pdf.image(page, 0, 0, width_mm)
            pdf.set_y(145)
            pdf.multi_cell(0, 6, stamp)
    return bytes(pdf.output())
