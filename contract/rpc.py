"""Shapes and codes of `POST /rpc` (contract.md, "POST /rpc")."""

from typing import Any, Final

import msgspec

INVALID_API_VERSION: Final = "INVALID_API_VERSION"
INVALID_ARGS: Final = "INVALID_ARGS"
METHOD_NOT_FOUND: Final = "METHOD_NOT_FOUND"
INTERNAL: Final = "INTERNAL"
# New refusals; never used for a case that one of the four above covers.
QUOTA_EXCEEDED: Final = "QUOTA_EXCEEDED"
TIMEOUT: Final = "TIMEOUT"
UNAVAILABLE: Final = "UNAVAILABLE"


class RpcRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call. Unknown keys are ignored, as today. `timeout_ms` None: RPC_TIMEOUT_MS holds."""

    api_version: str
    method: str
    idempotency_key: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    user_id: str | None = None
    session_id: str | None = None
    reply_to: str | None = None
    trace_id: str | None = None
    timeout_ms: int | None = None


class RpcError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`retry_after_ms` stands only where it is known when a retry can succeed."""

    code: str
    message: str
    retry_after_ms: int | None = None


class RpcResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Always HTTP 200 once the request parsed and was let in."""

    ok: bool
    data: Any = None
    error: RpcError | None = None
