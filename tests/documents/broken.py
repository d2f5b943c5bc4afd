"""Documents that are broken, hostile or hidden in known ways."""

from __future__ import annotations

import io
import zlib

from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from tests.documents.invoice import make_invoice
from tests.documents.pdf import build_pdf

ENTITY_BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<CrossIndustryInvoice>&b;</CrossIndustryInvoice>"""
EXTERNAL_ENTITY = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<CrossIndustryInvoice>&a;</CrossIndustryInvoice>"""


def encrypted_pdf(user_password: str) -> bytes:
    """An invoice encrypted with AES; with an empty user password anybody may read it."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(build_pdf(make_invoice("de", 1)))))
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="AES-256")
    return _written(writer)


def scanned_pdf() -> bytes:
    """A page that holds a picture and no text."""
    picture = io.BytesIO()
    Image.new("L", (400, 600), 255).save(picture, "PNG")
    pdf = FPDF()
    pdf.add_page()
    pdf.image(picture, 0, 0, 210)
    return bytes(pdf.output())


def empty_pdf() -> bytes:
    """A page with nothing on it."""
    pdf = FPDF()
    pdf.add_page()
    return bytes(pdf.output())


def long_pdf(pages: int) -> bytes:
    pdf = FPDF()
    for _ in range(pages):
        pdf.add_page()
    return bytes(pdf.output())


def bomb_pdf(unpacked_bytes: int = 200_000_000) -> bytes:
    """A page whose content is small in the file and huge when it is unpacked."""
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    packer = zlib.compressobj(9)
    chunk = b" " * 1_000_000
    stream = StreamObject()
    stream._data = b"".join(packer.compress(chunk) for _ in range(unpacked_bytes // len(chunk))) + packer.flush()
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    page[NameObject("/Contents")] = writer._add_object(stream)
    return _written(writer)


def looping_pdf() -> bytes:
    """A form that draws itself."""
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    form = StreamObject()
    form._data = b"/F Do"
    reference = writer._add_object(form)
    resources = DictionaryObject({NameObject("/XObject"): DictionaryObject({NameObject("/F"): reference})})
    form[NameObject("/Type")] = NameObject("/XObject")
    form[NameObject("/Subtype")] = NameObject("/Form")
    form[NameObject("/Resources")] = resources
    page[NameObject("/Resources")] = resources
    content = StreamObject()
    content._data = b"/F Do"
    page[NameObject("/Contents")] = writer._add_object(content)
    return _written(writer)


def pdf_with_attachment(name: str, content: bytes, *, only_associated: bool = False) -> bytes:
    """An invoice with any attachment; `only_associated`: named in /AF alone, as some writers do."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(build_pdf(make_invoice("de", 1), xml=content, xml_name=name))))
    if only_associated:
        names = writer.root_object["/Names"]["/EmbeddedFiles"]["/Names"]  # type: ignore[index]
        writer.root_object[NameObject("/AF")] = writer._add_object(type(names)([names[1]]))
        del writer.root_object["/Names"]
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
