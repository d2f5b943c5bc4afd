"""Encodes answers of /rpc. What a mounted namespace returns is written as FastAPI's jsonable_encoder wrote it."""

import dataclasses
import datetime
import enum
import ipaddress
import pathlib
import re
import types
import uuid
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from starlette.responses import Response

from contract.rpc import RpcError, RpcResponse

JSON: Final = "application/json"
_JSONS_OWN: Final = (str, bool, int, float, type(None))
_LISTS: Final = (list, tuple, set, frozenset, deque, types.GeneratorType)


def _write_decimal(value: Decimal) -> int | float:
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


# Subclasses count; the first that fits.
_WRITERS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int),
    (float, float),
    (bytes, bytes.decode),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, datetime.timedelta.total_seconds),
    (Decimal, _write_decimal),
    ((uuid.UUID, pathlib.PurePath), str),
    ((ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network), str),
    (re.Pattern, lambda value: value.pattern),
)


def as_json(value: Any) -> Any:
    """The value in JSON's own types. An object that is none of Python's own kinds of data is its public attributes.

    Raises TypeError, ValueError or RecursionError for what cannot be JSON.
    """
    if type(value) in _JSONS_OWN:
        return value
    if isinstance(value, enum.Enum):
        return as_json(value.value)
    if isinstance(value, dict):
        return {_as_key(key): as_json(part) for key, part in value.items()}
    if isinstance(value, _LISTS):
        return [as_json(part) for part in value]
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return as_json(write(value))
    return as_json(_read_parts(value))


def _as_key(key: Any) -> str | int | float:
    written = as_json(key)
    if written is None or isinstance(written, bool):
        return {None: "null", True: "true", False: "false"}[written]
    if not isinstance(written, (str, int, float)):
        raise TypeError(f"{type(key).__name__} cannot be a key of a JSON object")
    return written


def _read_parts(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "keys"):
        return dict(value)
    if hasattr(value, "__dict__") and not callable(value):
        return {name: part for name, part in vars(value).items() if not name.startswith("_")}
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be answered as JSON")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=as_json)
_DUPLICATE: Final = _ENCODER.encode(RpcResponse(ok=True, data={"duplicate": True}))


def encode_data(data: Any) -> bytes:
    """Raises TypeError, ValueError or RecursionError for data that cannot be JSON."""
    return _ENCODER.encode(RpcResponse(ok=True, data=data))


def encode_reply(data: Any, trace_id: str | None) -> bytes:
    """What goes to `reply_to`."""
    return _ENCODER.encode({"ok": True, "data": data, "trace_id": trace_id})


def success(body: bytes) -> Response:
    return Response(body, media_type=JSON)


def duplicate() -> Response:
    return Response(_DUPLICATE, media_type=JSON)


def failure(error: RpcError) -> Response:
    return Response(_ENCODER.encode(RpcResponse(ok=False, error=error)), media_type=JSON)


def refusal(status: int, detail: Any) -> Response:
    """An answer in FastAPI's shape, before a call was parsed."""
    return Response(_ENCODER.encode({"detail": detail}), status, media_type=JSON)
