"""Parses the body of /rpc. What does not match the shape is refused as FastAPI does it, without repeating the input.

The usual body is decoded by msgspec in one go; only one that it refuses is looked at field by field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from contract.rpc import RpcRequest

# Arguments nest a few levels; a hundred is an attack on whoever walks them. msgspec itself stops at Python's own limit.
MAX_DEPTH: Final = 64

_DECODER: Final = msgspec.json.Decoder(RpcRequest)
_OPENING: Final = (b"[", b"{")


class BodyUnreadable(Exception):
    """No UTF-8, or nested too deep: 400."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One item of FastAPI's `detail`."""

    type: str
    loc: tuple[str | int, ...]
    msg: str

    def document(self) -> dict[str, Any]:
        return {"type": self.type, "loc": ["body", *self.loc], "msg": self.msg}


class ShapeMismatch(Exception):
    """The body does not match the shape: 422. `problems` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.msg for problem in problems))
        self.problems = problems


def parse_request(body: bytes) -> RpcRequest:
    """Raises BodyUnreadable or ShapeMismatch."""
    try:
        if not body.isascii():
            body.decode()
        request = _decode(body)
    except UnicodeDecodeError:
        raise BodyUnreadable("the body is not UTF-8") from None
    except RecursionError:
        raise BodyUnreadable("the body nests too deep") from None
    if sum(map(body.count, _OPENING)) > MAX_DEPTH and _is_deeper([request.args, request.kwargs], MAX_DEPTH - 1):
        raise BodyUnreadable("the body nests too deep")
    return request


def _decode(body: bytes) -> RpcRequest:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError:
        return _decode_by_field(body)
    except msgspec.DecodeError:
        if not body.strip():
            raise ShapeMismatch([Problem("missing", (), "Field required")]) from None
        raise ShapeMismatch([Problem("json_invalid", (), "JSON decode error")]) from None


def _decode_by_field(body: bytes) -> RpcRequest:
    """Finds every field that does not fit, and takes a `timeout_ms` that is written as text or with a point."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        # Among others a number that no double holds.
        raise ShapeMismatch([Problem("json_invalid", (), "JSON decode error")]) from None
    if not isinstance(found, dict):
        what = "Input should be a valid dictionary or object to extract fields from"
        raise ShapeMismatch([Problem("model_attributes_type", (), what)])
    problems = [
        problem
        for field in msgspec.structs.fields(RpcRequest)
        if (problem := _check_field(field.name, found)) is not None
    ]
    if problems:
        raise ShapeMismatch(problems)
    if "timeout_ms" in found:
        found["timeout_ms"] = _read_integer(found["timeout_ms"])
    return msgspec.convert(found, RpcRequest)


_REQUIRED: Final = {field.name for field in msgspec.structs.fields(RpcRequest) if field.required}
_NULLABLE: Final = {"user_id", "session_id", "reply_to", "trace_id", "timeout_ms"}


def _check_field(name: str, found: dict[str, Any]) -> Problem | None:
    if name not in found:
        return Problem("missing", (name,), "Field required") if name in _REQUIRED else None
    value = found[name]
    if value is None and name in _NULLABLE:
        return None
    kind, fits, message = _KINDS.get(name, _TEXT)
    return None if fits(value) else Problem(kind, (name,), message)


def _read_integer(value: Any) -> int | None:
    """None for null and for what is no whole number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # Twenty digits: more would be quadratic to read, and no time.
    if isinstance(value, str) and len(value) <= 20 and value.strip().removeprefix("-").isdecimal():
        return int(value)
    return None


_Kind = tuple[str, Callable[[Any], bool], str]
_TEXT: Final[_Kind] = ("string_type", lambda value: isinstance(value, str), "Input should be a valid string")
_KINDS: Final[dict[str, _Kind]] = {
    "args": ("list_type", lambda value: isinstance(value, list), "Input should be a valid list"),
    "kwargs": ("dict_type", lambda value: isinstance(value, dict), "Input should be a valid dictionary"),
    "timeout_ms": (
        "int_type",
        lambda value: _read_integer(value) is not None,
        "Input should be a valid integer",
    ),
}


def _is_deeper(level: list[Any], left: int) -> bool:
    """Whether containers nest more than `left` levels below `level`, level by level and without recursion."""
    while level:
        if left < 0:
            return True
        left -= 1
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
    return False
