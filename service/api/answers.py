"""Encodes answers of /rpc. What a mounted namespace returns beyond JSON's own types is written as FastAPI did."""

import datetime
import decimal
from typing import Any, Final

import msgspec
from starlette.responses import Response

from contract.rpc import RpcError, RpcResponse

JSON: Final = "application/json"


def _plain(value: Any) -> Any:
    """Subclasses of JSON's types as those, a pydantic model as its fields, any other object as its attributes."""
    for kind in (str, bool, int, float, decimal.Decimal):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "__dict__") and not callable(value):
        return {name: part for name, part in vars(value).items() if not name.startswith("_")}
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be answered as JSON")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
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
