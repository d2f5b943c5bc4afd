"""Reads and writes JSON: a list of objects, or an object a line. Numbers keep every digit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from service.domain.transformation.encoding import decode_text
from service.domain.transformation.model import (
    Cell,
    Finding,
    Limits,
    Problem,
    Row,
    Source,
    Table,
    Target,
    TransformationError,
    Written,
    check_shape,
    first_repeated,
)
from service.domain.transformation.values import BadValue, shown

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DEEPEST: Final = 50
_WHAT: Final = 'JSON is a list of objects such as [{"amount": 12.5}], or one object a line.'


def read_json(source: Source, limits: Limits) -> Table:
    """Raises TransformationError: `encoding`, `broken`, `too_large`, `empty`."""
    items, findings = _items(source)
    if not items:
        raise TransformationError("empty", f"The JSON holds no row. {_WHAT}")
    columns: dict[str, None] = {}
    for _, item in items:
        if isinstance(item, dict):
            columns.update(dict.fromkeys(item))
            check_shape(len(items), len(columns), limits)
    names = tuple(columns)
    rows = tuple(_row(number, item, names) for number, item in items)
    absent = sum(len(names) - len(item) for _, item in items if isinstance(item, dict))
    if absent:
        findings = (
            *findings,
            Finding("missing_keys", f"Keys that some objects lack, and that have no value there: {absent}."),
        )
    return Table(names, rows, findings)


def write_json(columns: Sequence[str], rows: Sequence[Row], target: Target) -> Written:
    """A list of objects, an object a line of the file; with `lines`, JSON lines."""
    objects = [_encode(dict(zip(columns, row.values, strict=True))) for row in rows]
    if target.options.get("lines"):
        data = b"".join(item + b"\n" for item in objects)
        return Written(data, data.decode(), "application/x-ndjson", "utf-8")
    data = b"[\n" + b",\n".join(objects) + b"\n]\n" if objects else b"[]\n"
    return Written(data, data.decode(), "application/json", "utf-8")


def _items(source: Source) -> tuple[list[tuple[int, Any]], tuple[Finding, ...]]:
    """Each row with its number: of the item in a list, of the line in JSON lines."""
    if isinstance(source.content, list):
        return list(enumerate(source.content, 1)), ()
    text, findings = decode_text(source.content, source.options.get("encoding"))
    if text.lstrip()[:1] == "{" and len(list(_lines(text))) > 1:
        return [(number, _parse(line, f"Line {number}")) for number, line in _lines(text)], findings
    document = _parse(text, "The content")
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list):
        raise TransformationError("broken", f"The content is {_kind(document)}. {_WHAT}")
    return list(enumerate(document, 1)), findings


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are a value each; none where an object goes over several lines."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return iter(lines if all(line.lstrip()[0] in "{[" for _, line in lines) else ())


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object_of_unique_keys
        )
    except RecursionError:
        raise TransformationError("broken", f"{where} nests too deep.") from None
    except json.JSONDecodeError as error:
        place = (
            f"{where}, column {error.colno}" if where != "The content" else f"Line {error.lineno}, column {error.colno}"
        )
        raise TransformationError("broken", f"{place}: no JSON: {error.msg}.") from None
    except (ValueError, ArithmeticError) as error:
        raise TransformationError("broken", f"{where}: {error}.") from None


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python keeps the last of two values of one key; that would lose the first in silence."""
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = first_repeated(key for key, _ in pairs)
        raise ValueError(f"an object holds the key {shown(twice)} twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _row(number: int, item: Any, columns: Sequence[str]) -> Row:
    if not isinstance(item, dict):
        problem = Problem("not_an_object", f"The item is {_kind(item)}, no object.")
        return Row(number, (None,) * len(columns), (problem,), (item if _depth_fits(item) else "…",))
    values: list[Cell] = []
    problems: list[Problem] = []
    for name in columns:
        try:
            values.append(_clean(item.get(name)))
        except BadValue as error:
            values.append(None)
            problems.append(error.problem(name))
    return Row(number, tuple(values), tuple(problems))


def _clean(value: Any, depth: int = 0) -> Any:
    """Floats that arrived within the request, as the digits that were sent. Raises BadValue for what no file holds."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise BadValue("not_unicode", "The text holds half a surrogate pair.")
        return value
    if depth >= _DEEPEST and isinstance(value, (dict, list)):
        raise BadValue("too_deep", f"The value nests deeper than {_DEEPEST} levels.")
    if isinstance(value, dict):
        return {_clean(key, depth): _clean(item, depth + 1) for key, item in value.items()}
    return [_clean(item, depth + 1) for item in value] if isinstance(value, list) else value


def _depth_fits(value: Any) -> bool:
    try:
        _clean(value)
    except BadValue:
        return False
    return True


def _encode(value: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(value)
    except OverflowError:
        return _ENCODER.encode(_wide(value))


def _wide(value: Any) -> Any:
    """Integers above 64 bits as decimals, which the encoder writes in full."""
    if isinstance(value, dict):
        return {key: _wide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_wide(item) for item in value]
    return Decimal(value) if isinstance(value, int) and value.bit_length() > 63 else value


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")
