"""Takes `source` and `target` as they were sent: checks their shape, decodes base64, refuses what is no content.

Owns the two argument shapes. Nothing is fetched and no file is opened: a URL or a path in place of the content is
refused, and says so.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from service.domain.inline_content import decode_base64
from service.domain.transformation.model import (
    DEFAULT_LIMITS,
    FORMATS,
    ColumnSpec,
    Format,
    Limits,
    Source,
    Target,
    TransformationError,
    check_shape,
    check_size,
    first_repeated,
)
from service.domain.transformation.notations import DATE_ORDERS, LOCALES

WHAT_TO_SEND: Final = 'Send {"content": text, "format": "csv"} or {"content_base64": data, "format": "xlsx"}.'
TYPES: Final = ("text", "integer", "decimal", "boolean", "date", "datetime")
ENCODINGS: Final = ("utf-8", "utf-16", "latin-1", "windows-1252")
DELIMITERS: Final = (",", ";", "\t", "|")

_SOURCE_KEYS: Final = {"content", "content_base64", "format", "options"}
_TARGET_KEYS: Final = {"format", "columns", "options"}
_COLUMN_KEYS: Final = {"from", "to", "type", "required", "locale", "date_order"}
_SOURCE_OPTIONS: Final[dict[str, set[str]]] = {
    "csv": {"encoding", "delimiter", "header", "locale", "date_order"},
    "json": {"encoding", "locale", "date_order"},
    "xlsx": {"sheet", "header", "locale", "date_order"},
}
_TARGET_OPTIONS: Final[dict[str, set[str]]] = {
    "csv": {"encoding", "delimiter", "header", "locale", "bom"},
    "json": {"lines"},
    "xlsx": {"sheet", "header"},
}
_ADDRESS_KEYS: Final = {"url", "uri", "href", "path", "file", "filename", "file_path", "bucket"}
# One line that is an address or a path and nothing else.
_ADDRESS: Final = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]{1,20}:(?://|/)\S*|file:\S*|(?:~|\.{1,2})?/[^\s,;|]*|[a-z]:\\[^,;|\n]*|\\\\[^,;|\n]*)\s*",
    re.IGNORECASE,
)
_LONGEST_ADDRESS: Final = 2_000
_NOT_CONTENT: Final = "No URL and no file path is read: send the content itself, or its base64."


def parse_source(source: object, limits: Limits = DEFAULT_LIMITS) -> Source:
    """Check and decode `source`. Raises TransformationError: `invalid_input`, `not_content`, `invalid_base64`,
    `too_large`, `empty`.
    """
    chosen, fields, options = _check_fields(source)
    return Source(chosen, _content(fields, limits), options)


def check_source(source: object) -> None:
    """What is wrong with `source` by its shape alone: cheap, whatever the size. Raises TransformationError."""
    _, fields, _ = _check_fields(source)
    _payload(fields)


def _check_fields(source: object) -> tuple[Format, Mapping[str, Any], Mapping[str, Any]]:
    if isinstance(source, str):
        raise TransformationError("not_content", f"source is an object, not text. {_NOT_CONTENT} {WHAT_TO_SEND}")
    fields = _mapping("source", source, _SOURCE_KEYS)
    chosen = _format("source", fields)
    return chosen, fields, _options("source", fields, _SOURCE_OPTIONS[chosen])


def parse_target(target: object, limits: Limits = DEFAULT_LIMITS) -> Target:
    """Check `target`. Raises TransformationError: `invalid_input`, `too_large`."""
    fields = _mapping("target", target, _TARGET_KEYS)
    chosen = _format("target", fields)
    options = _options("target", fields, _TARGET_OPTIONS[chosen])
    columns = fields.get("columns")
    if columns is None:
        return Target(chosen, None, options)
    if not isinstance(columns, list) or not columns:
        raise _invalid('target.columns is a list such as [{"from": "Betrag", "to": "amount", "type": "decimal"}].')
    # Before anything is done for each: this runs while a call waits.
    check_shape(0, len(columns), limits)
    specs = tuple(_column(position, column) for position, column in enumerate(columns, 1))
    twice = first_repeated(spec.name for spec in specs)
    if twice is not None:
        raise _invalid(f"target.columns names {twice!r} twice.")
    return Target(chosen, specs, options)


def _payload(fields: Mapping[str, Any]) -> tuple[str | list[Any], bool]:
    """What was sent, and whether it is base64."""
    content, encoded = fields.get("content"), fields.get("content_base64")
    if (content is None) == (encoded is None):
        which = "neither content nor content_base64" if content is None else "both content and content_base64"
        raise _invalid(f"source holds {which}. {WHAT_TO_SEND}")
    payload = content if content is not None else encoded
    if isinstance(payload, list) and content is not None and fields.get("format") == "json":
        return payload, False
    if not isinstance(payload, str):
        raise _invalid(f"The content is text, not {type(payload).__name__}. {WHAT_TO_SEND}")
    if fields.get("format") == "xlsx" and encoded is None:
        raise _invalid("XLSX is binary: send it as content_base64.")
    if len(payload) < _LONGEST_ADDRESS and _ADDRESS.fullmatch(payload) and not (encoded and _is_base64(payload)):
        raise TransformationError("not_content", f"The content is an address. {_NOT_CONTENT}")
    return payload, encoded is not None


def _content(fields: Mapping[str, Any], limits: Limits) -> bytes | str | list[Any]:
    payload, is_base64 = _payload(fields)
    if isinstance(payload, list):
        return payload
    # Before decoding: base64 is 4/3 of the data, text at least a byte per character.
    check_size(len(payload) * (3 if is_base64 else 4) // 4, limits)
    data = decode_base64(payload, TransformationError) if is_base64 else payload
    if not data.strip():
        raise TransformationError("empty", f"The content is empty. {WHAT_TO_SEND}")
    check_size(len(data if isinstance(data, bytes) else _utf8(data)), limits)
    return data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TransformationError("encoding", f"Character {error.start + 1} is half a surrogate pair.") from None


def _is_base64(payload: str) -> bool:
    """Base64 may begin with a slash; a path has a character that base64 has not, or does not decode."""
    try:
        return bool(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError):
        return False


def _mapping(name: str, value: object, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(f"{name} must be an object, not {type(value).__name__}. {WHAT_TO_SEND}")
    unknown = sorted(str(key) for key in value if key not in known)
    if any(key.lower() in _ADDRESS_KEYS for key in unknown):
        raise TransformationError("not_content", f"{name} holds {unknown[0][:40]!r}. {_NOT_CONTENT}")
    if unknown:
        raise _invalid(f"{name} does not know {unknown[0][:40]!r}: it takes {_listed(known)}.")
    return value


def _format(name: str, fields: Mapping[str, Any]) -> Format:
    for known in FORMATS:
        if fields.get("format") == known:
            return known
    raise _invalid(f"{name}.format is one of {_listed(FORMATS)}, not {str(fields.get('format'))[:40]!r}.")


def _options(name: str, fields: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    options = fields.get("options")
    if options is None:
        return {}
    checked = _mapping(f"{name}.options", options, known)
    for key, value in checked.items():
        _check_option(f"{name}.options.{key}", key, value)
    return checked


def _check_option(where: str, key: str, value: object) -> None:
    choices = {
        "encoding": ENCODINGS,
        "delimiter": DELIMITERS,
        "locale": tuple(LOCALES),
        "date_order": DATE_ORDERS,
        "header": (True, False),
        "bom": (True, False),
        "lines": (True, False),
    }.get(key)
    if choices is not None and (value not in choices or isinstance(value, bool) is not isinstance(choices[0], bool)):
        raise _invalid(f"{where} is one of {_listed(repr(choice) for choice in choices)}, not {str(value)[:40]!r}.")
    if key == "sheet" and not (isinstance(value, str) and value):
        raise _invalid(f"{where} is a sheet's name.")


def _column(position: int, column: object) -> ColumnSpec:
    where = f"target.columns[{position - 1}]"
    fields = _mapping(where, column, _COLUMN_KEYS)
    source = fields.get("from", fields.get("to"))
    name = fields.get("to", source)
    if not (isinstance(source, str) and source and isinstance(name, str) and name.strip()):
        raise _invalid(f'{where} names its column: {{"from": "Betrag", "to": "amount"}}.')
    kind = fields.get("type")
    if kind is not None and kind not in TYPES:
        raise _invalid(f"{where}.type is one of {_listed(TYPES)}, not {str(kind)[:40]!r}.")
    for key in ("locale", "date_order"):
        if fields.get(key) is not None:
            _check_option(f"{where}.{key}", key, fields[key])
    if not isinstance(fields.get("required", False), bool):
        raise _invalid(f"{where}.required is true or false.")
    is_required = fields.get("required", False)
    return ColumnSpec(source, name, kind, is_required, fields.get("locale"), fields.get("date_order"))


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name) for name in names))


def _invalid(message: str) -> TransformationError:
    return TransformationError("invalid_input", message)
