"""Tells the encoding of text from its first bytes and reads it without losing a character; what was guessed is told."""

from __future__ import annotations

import codecs
from typing import Final

from service.domain.transformation.model import Finding, TransformationError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16: the mark of UTF-32 begins like it.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PYTHON_NAMES: Final = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1", "windows-1252": "cp1252"}
_SAMPLE: Final = 4096


def decode_text(content: bytes | str, encoding: str | None = None) -> tuple[str, tuple[Finding, ...]]:
    """The text, and what was guessed. `encoding` None: by its byte order mark, else UTF-8, else Windows-1252.

    Raises TransformationError `encoding`.
    """
    if isinstance(content, str):
        return content.removeprefix("\ufeff"), ()
    if encoding is not None:
        return _decode(content, _PYTHON_NAMES[encoding]), ()
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _decode(content, name), ()
    without_mark = _utf16_without_mark(content)
    if without_mark is not None:
        return _decode(content, without_mark), (_guessed(without_mark),)
    if b"\x00" in content[:_SAMPLE]:
        raise TransformationError("encoding", "The content is binary, no text: is the format right?")
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _decode_western(content)


def _decode_western(content: bytes) -> tuple[str, tuple[Finding, ...]]:
    # Five bytes mean nothing in Windows-1252; latin-1 has a character for each.
    try:
        return content.decode("cp1252"), (_guessed("windows-1252"),)
    except UnicodeDecodeError:
        return content.decode("latin-1"), (_guessed("latin-1"),)


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"Byte {error.start + 1} (line {line}) is not {name.removesuffix('-sig')}: {error.reason}."
        raise TransformationError("encoding", message) from None


def _utf16_without_mark(content: bytes) -> str | None:
    """Western text in UTF-16 has a zero in every second byte."""
    sample = content[:_SAMPLE]
    pairs = len(sample) // 2
    if pairs < 2 or len(content) % 2:
        return None
    zeros = [sample[0::2].count(0), sample[1::2].count(0)]
    if zeros[0] == 0 and zeros[1] > pairs * 0.7:
        return "utf-16-le"
    return "utf-16-be" if zeros[1] == 0 and zeros[0] > pairs * 0.7 else None


def _guessed(name: str) -> Finding:
    message = f"The content names no encoding and is not UTF-8: it was read as {name}. Set options.encoding if wrong."
    return Finding("encoding_guessed", message, "warning")
