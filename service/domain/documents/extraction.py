"""Gets text and invoice XML out of a document, whatever its kind; scans and images by OCR where that is installed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from pypdf import PageObject

from service.domain.documents.html_text import html_to_text
from service.domain.documents.intake import decode_text
from service.domain.documents.invoice_xml import is_invoice_xml, xml_text
from service.domain.documents.model import Document, DocumentError, ExtractedText, Finding
from service.domain.documents.ocr import HOW_TO_INSTALL, Engine, TimeLeft, check_picture, find_engine, recognise_text
from service.domain.documents.page_pictures import find_covered_share, has_pictures, read_pictures
from service.domain.documents.pdf import clean_text, open_pdf, read_attachments, read_page_texts

# A page with pictures and fewer characters than these (blanks left out) is a scan, perhaps with a number printed on it.
_FEWEST_CHARS = 20
# So is one with fewer than these that pictures cover: stamps of receipt, a scanner's footer. An invoice has more.
_FEWEST_CHARS_ON_PICTURE = 150
_COVERED = 0.5


# Yields the share of the extraction that is done, where it takes long; returns what was read.
Extraction = Generator[float, None, ExtractedText]


def extract_text(document: Document) -> ExtractedText:
    """`extraction_steps` run to their end."""
    steps = extraction_steps(document)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            extracted: ExtractedText = end.value
            return extracted


def extraction_steps(document: Document) -> Extraction:
    """The document's page texts, and its invoice XML where there is some; yields between pages that are read by OCR.

    Raises DocumentError: `broken`, `encrypted`, `image`, `scanned`, `no_text`, `too_large`, `too_many_pages`,
    `too_slow`, `unsafe_xml`.
    """
    if document.kind == "pdf":
        return (yield from _extract_pdf(document))
    if document.kind == "image":
        return (yield from _extract_image(document))
    readers = {"xml": _extract_xml, "html": _extract_html, "text": _extract_plain}
    return readers[document.kind](document)


def _extract_pdf(document: Document) -> Extraction:
    with open_pdf(document.data, document.limits) as reader:
        pages = tuple(read_page_texts(reader, document.limits))
        attachments = read_attachments(reader)
        scanned = [number for number, text in enumerate(pages) if _is_scan(reader.pages[number], text)]
    xml, findings = _choose_xml(attachments)
    extracted = ExtractedText(pages, xml, findings, document.limits)
    if scanned:
        extracted = yield from _read_scanned(document, extracted, scanned)
    if xml is None and not extracted.text.strip():
        raise DocumentError("no_text", "The PDF holds no text.")
    return extracted


def _is_scan(page: PageObject, text: str) -> bool:
    chars = len("".join(text.split()))
    if chars >= _FEWEST_CHARS_ON_PICTURE or not has_pictures(page):
        return False
    return chars < _FEWEST_CHARS or find_covered_share(page) >= _COVERED


def _read_scanned(document: Document, extracted: ExtractedText, scanned: Sequence[int]) -> Extraction:
    """With the text of the pages `scanned`, as far as it could be read, and a finding that names them all.

    Where XML says everything exactly, minutes of reading would add nothing.
    """
    engine = None if extracted.xml is not None else find_engine()
    pages, read = list(extracted.pages), set[int]()
    if engine is not None:
        left = TimeLeft.start(document.limits)
        for done, number in enumerate(scanned, 1):
            text = _read_page(document, number, engine, left)
            if text:
                pages[number] = f"{pages[number]}\n{text}".strip("\n")
                read.add(number)
            if done < len(scanned):
                yield done / len(scanned)
    finding = _describe_scanned(scanned, read, is_installed=engine is not None, has_xml=extracted.xml is not None)
    if extracted.xml is None and not any(page.strip() for page in pages):
        raise DocumentError("scanned", f"{finding.message} Send a PDF with a text layer.")
    findings = (*extracted.findings, finding, *([_say_recognised()] if read else []))
    return replace(extracted, pages=tuple(pages), findings=findings, is_recognised=bool(read))


def _read_page(document: Document, number: int, engine: Engine, left: TimeLeft) -> str:
    """The text of a page's pictures; empty where there is none, no time is left, or none of them can be read."""
    texts: list[str] = []
    try:
        # Opened anew for each page: what is unpacked of one is gone before the next.
        with open_pdf(document.data, document.limits) as reader:
            pictures = read_pictures(reader.pages[number], document.limits.picture_pixels)
    except DocumentError:
        return ""
    for picture in pictures:
        if left.for_picture() <= 0:
            break
        try:
            texts += recognise_text(picture, engine, document.limits, left)
        except DocumentError:
            continue
    return clean_text("\n".join(texts)).strip()


def _describe_scanned(scanned: Sequence[int], read: set[int], *, is_installed: bool, has_xml: bool) -> Finding:
    message = f"{_name_pages(scanned)} hardly any text but pictures (a scan)"
    unread = [number for number in scanned if number not in read]
    if has_xml:
        return Finding("pages_scanned", "info", f"{message}; the fields are from the embedded XML.")
    if not is_installed:
        return Finding("pages_scanned", "warning", f"{message}, which are not read: {HOW_TO_INSTALL}.")
    if unread:
        named = ", ".join(str(number + 1) for number in unread)
        return Finding("pages_scanned", "warning", f"{message}; no text could be read by OCR on: {named}.")
    return Finding("pages_scanned", "info", f"{message}; they were read by OCR.")


def _name_pages(numbers: Sequence[int]) -> str:
    named = ", ".join(str(number + 1) for number in numbers)
    return f"Page {named} holds" if len(numbers) == 1 else f"Pages {named} hold"


def _say_recognised() -> Finding:
    message = "Text was read from pictures by OCR, which mistakes letters and digits: check the values."
    return Finding("read_by_ocr", "info", message)


def _extract_image(document: Document) -> Extraction:
    engine = find_engine()
    if engine is None:
        message = f"Images are not read: {HOW_TO_INSTALL}. Or send a PDF with a text layer, or text."
        raise DocumentError("image", message)
    pages: list[str] = []
    count = check_picture(document.data, document.limits)
    for text in recognise_text(document.data, engine, document.limits, TimeLeft.start(document.limits)):
        pages.append(clean_text(text))
        if len(pages) < count:
            yield len(pages) / count
    if not any(page.strip() for page in pages):
        raise DocumentError("no_text", "No text was found in the image. Scan it upright, with 300 dots per inch.")
    return ExtractedText(tuple(pages), None, (_say_recognised(),), document.limits, is_recognised=True)


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
