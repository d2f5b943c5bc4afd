"""The bearer token of /rpc and /debug (contract.md, "Auth"). No token set: no auth."""

import hmac
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

MISSING: Final = "missing_bearer_token"
INVALID: Final = "invalid_token"


def refuse(connection: HTTPConnection, token: str | None) -> Response | None:
    """The refusal of a request that does not carry `token`; None: let in. Compared in constant time."""
    if token is None:
        return None
    scheme, _, sent = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        return JSONResponse({"detail": MISSING}, 401, {"WWW-Authenticate": "Bearer"})
    if not hmac.compare_digest(sent.strip().encode(), token.encode()):
        return JSONResponse({"detail": INVALID}, 403)
    return None
