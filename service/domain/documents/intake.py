"""Takes a document in: decodes it, tells what it is from its first bytes, and refuses what cannot be analysed.

Owns the shape of `document_data` and the bounds on size. Reading the content, and whether images can be read, is
`extraction`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from service.domain.documents.model import DEFAULT_LIMITS, Document, DocumentError, Kind, Limits
from service.domain.inline_content import decode_base64

WHAT_TO_SEND = 'Send {"content": text} or {"content_base64": data, "mime": "application/pdf"}.'
_WHAT_IS_READ = "Send a PDF, XML, HTML, text, or an image (PNG, JPEG, TIFF, GIF, BMP)."

# First bytes of what people send by mistake. (https://www.rfc-editor.org/rfc/rfc6713, PNG, JPEG, … specifications)
_IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
_ARCHIVE_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
# A PDF may begin with up to 1,024 bytes of something else (ISO 32000-1, annex H, implementation note 13).
_PDF_HEADER_WITHIN = 1024

_MIME_KINDS: dict[str, Kind] = {
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "application/xml": "xml",
    "text/xml": "xml",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
}
_IMAGE_MIMES = frozenset(f"image/{name}" for name in ("png", "jpeg", "jpg", "tiff", "gif", "bmp"))
_KIND_NAMES: dict[Kind, str] = {"pdf": "a PDF", "xml": "XML", "html": "HTML", "text": "plain text", "image": "an image"}


def load_document(document_data: Mapping[str, object], limits: Limits = DEFAULT_LIMITS) -> Document:
    """Decode `document_data` into a Document within `limits`.

    Raises DocumentError: `invalid_input`, `invalid_base64`, `empty`, `too_large`, `unsupported`,
    `mime_mismatch`.
    """
    data, is_text = _read_payload(document_data, limits)
    mime = _read_mime(document_data)
    if not data.strip():
        raise DocumentError("empty", f"The document is empty. {WHAT_TO_SEND}")
    kind = sniff_kind(data)
    if kind == "pdf" and is_text:
        raise DocumentError("mime_mismatch", "A PDF was sent as text. Send it as content_base64.")
    return Document(_agree(kind, mime), data, limits)


def sniff_kind(data: bytes) -> Kind:
    """Tell what `data` is from its content. Raises DocumentError for archives and unknown binary data."""
    if b"%PDF-" in data[:_PDF_HEADER_WITHIN]:
        return "pdf"
    if data.startswith(_IMAGE_MAGIC):
        return "image"
    if data.startswith(_ARCHIVE_MAGIC) or data.startswith(_OLE_MAGIC):
        raise DocumentError("unsupported", f"Office files and archives are not read. {_WHAT_IS_READ}")
    head = decode_text(data[:4096]).lstrip().lower()
    if re.match(r"<!doctype html|<html|<head|<body", head):
        return "html"
    # Also a root without declaration: `<rsm:CrossIndustryInvoice …>` is how some senders cut it.
    if head.startswith("<?xml"):
        return "html" if "<html" in head else "xml"
    if re.match(r"(<!--.*?-->\s*)*<(\w+:)?(crossindustry|invoice|creditnote)", head, re.DOTALL):
        return "xml"
    return "text"


def decode_text(data: bytes) -> str:
    """Decode text by its byte order mark, else as UTF-8, else as Windows-1252. Raises DocumentError for binary data."""
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in data:
        raise DocumentError("unsupported", f"This is binary data of an unknown kind. {_WHAT_IS_READ}")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _read_payload(document_data: Mapping[str, object], limits: Limits) -> tuple[bytes, bool]:
    """The document's bytes, and whether they came as text."""
    if not isinstance(document_data, Mapping):
        raise DocumentError("invalid_input", f"document_data must be an object. {WHAT_TO_SEND}")
    content, encoded = document_data.get("content"), document_data.get("content_base64")
    if (content is None) == (encoded is None):
        which = "both content and content_base64" if content is not None else "neither content nor content_base64"
        raise DocumentError("invalid_input", f"document_data holds {which}. {WHAT_TO_SEND}")
    payload = content if content is not None else encoded
    if not isinstance(payload, str):
        name = "content" if content is not None else "content_base64"
        raise DocumentError("invalid_input", f"{name} must be a string, not {type(payload).__name__}. {WHAT_TO_SEND}")
    # Before decoding: base64 is 4/3 of the data, text at least a byte per character.
    _check_size(len(payload) * (3 if encoded is not None else 4) // 4, limits)
    data = decode_base64(payload, DocumentError) if encoded is not None else payload.encode("utf-8", errors="replace")
    _check_size(len(data), limits)
    return data, encoded is None


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.document_bytes:
        limit_mb = limits.document_bytes / (1024 * 1024)
        raise DocumentError("too_large", f"The document is larger than {limit_mb:.0f} MB.")


def _read_mime(document_data: Mapping[str, object]) -> str:
    """The mime type without parameters, in lower case; empty where none was given."""
    mime = document_data.get("mime")
    if mime is None:
        return ""
    if not isinstance(mime, str):
        raise DocumentError("invalid_input", f"mime must be a string. {WHAT_TO_SEND}")
    return mime.split(";")[0].strip().lower()


def _agree(kind: Kind, mime: str) -> Kind:
    """The kind to read the document as. Markup declared as plain text is read as what it is."""
    if mime in ("", "application/octet-stream", "binary/octet-stream"):
        return kind
    declared = "image" if mime in _IMAGE_MIMES else _MIME_KINDS.get(mime)
    if declared is None:
        if mime.startswith("text/"):
            return kind
        raise DocumentError("unsupported", f"Documents of type {mime[:80]} are not read. {_WHAT_IS_READ}")
    if kind != declared and {"pdf", "image"} & {kind, declared}:
        raise DocumentError("mime_mismatch", f"The document was declared as {mime}, but it is {_KIND_NAMES[kind]}.")
    # Fragments of HTML have no head to be told by.
    return "html" if declared == "html" and kind == "text" else kind
