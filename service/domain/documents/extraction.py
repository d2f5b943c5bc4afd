"""Gets text and invoice XML out of a document, whatever its kind."""

from __future__ import annotations

from service.domain.documents.html_text import html_to_text
from service.domain.documents.intake import decode_text
from service.domain.documents.invoice_xml import is_invoice_xml, xml_text
from service.domain.documents.model import Document, DocumentError, ExtractedText, Finding
from service.domain.documents.pdf import clean_text, has_pictures, open_pdf, read_attachments, read_page_texts


def extract_text(document: Document) -> ExtractedText:
    """The document's page texts, and its invoice XML where there is some.

    Raises DocumentError: `broken`, `encrypted`, `scanned`, `no_text`, `too_large`, `too_many_pages`, `unsafe_xml`.
    """
    readers = {"pdf": _extract_pdf, "xml": _extract_xml, "html": _extract_html, "text": _extract_plain}
    return readers[document.kind](document)


def _extract_pdf(document: Document) -> ExtractedText:
    with open_pdf(document.data, document.limits) as reader:
        pages = tuple(read_page_texts(reader, document.limits))
        attachments = read_attachments(reader)
        has_images = has_pictures(reader)
    xml, findings = _choose_xml(attachments)
    if xml is None and not any(page.strip() for page in pages):
        if has_images:
            raise DocumentError(
                "scanned",
                "The PDF holds only pictures of pages (a scan): no text recognition (OCR) is installed. "
                "Send a PDF with a text layer.",
            )
        raise DocumentError("no_text", "The PDF holds no text.")
    return ExtractedText(pages, xml, findings, document.limits)


def _choose_xml(attachments: list[tuple[str, bytes]]) -> tuple[bytes | None, tuple[Finding, ...]]:
    """The attachment that is an invoice by its root element, whatever its name; a finding for XML that is not readable.

    XML that would attack its reader is not skipped: DocumentError.
    """
    findings: list[Finding] = []
    for name, content in attachments:
        if not (name.lower().endswith(".xml") or content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<?xml")):
            continue
        try:
            if is_invoice_xml(content):
                return content, tuple(findings)
        except DocumentError as error:
            if error.code == "unsafe_xml":
                raise
            message = f"The attached {clean_text(name)[:80]} could not be read; the fields are from the text. {error}"
            findings.append(Finding("embedded_xml_broken", "warning", message))
    return None, tuple(findings)


def _extract_xml(document: Document) -> ExtractedText:
    # The text form is for the reader of the result; the fields come from the elements.
    text = clean_text(xml_text(document.data))
    xml = document.data if is_invoice_xml(document.data) else None
    if xml is None and not text:
        raise DocumentError("no_text", "The XML holds no text.")
    return ExtractedText((text,), xml, limits=document.limits)


def _extract_html(document: Document) -> ExtractedText:
    text = clean_text(html_to_text(decode_text(document.data)))
    if not text.strip():
        raise DocumentError("no_text", "The HTML holds no text.")
    return ExtractedText((text,), limits=document.limits)


def _extract_plain(document: Document) -> ExtractedText:
    text = clean_text(decode_text(document.data))
    if not text.strip():
        raise DocumentError("empty", "The document is empty.")
    return ExtractedText((text[: document.limits.text_chars],), limits=document.limits)
