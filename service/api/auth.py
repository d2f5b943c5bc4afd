"""The bearer token of /rpc, /debug and /status (contract.md, "Auth"). No token set: no auth."""

import base64
import binascii
import hmac
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response

MISSING: Final = "missing_bearer_token"
INVALID: Final = "invalid_token"
# What a browser shows when nobody logs in.
_ASKS: Final = """<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Log in</title>
<p>The password is the service's token; any name will do.</p>
"""


def refuse(connection: HTTPConnection, token: str | None) -> Response | None:
    """The refusal of a request that does not carry `token`; None: let in. Compared in constant time."""
    if token is None:
        return None
    scheme, sent = _read_authorization(connection)
    if scheme != "bearer" or not sent:
        return JSONResponse({"detail": MISSING}, 401, {"WWW-Authenticate": "Bearer"})
    if not _is_same(sent, token):
        return JSONResponse({"detail": INVALID}, 403)
    return None


def refuse_person(connection: HTTPConnection, token: str | None) -> Response | None:
    """`refuse`, for a page that people open: a browser is let in by HTTP Basic, with the token as password.

    Not by a form: that would take a cookie which stands for the token, and with it a place to keep sessions, or a key
    to sign them, on every replica; and a way to end them. A browser keeps a Basic login until it is closed, sends it to
    this host alone, and it is in no address and no history. As with any bearer token, the way needs TLS or a
    port-forward.
    """
    if token is None:
        return None
    scheme, sent = _read_authorization(connection)
    if scheme == "bearer":
        return refuse(connection, token)
    if scheme == "basic" and _is_same(_read_password(sent), token):
        return None
    return HTMLResponse(_ASKS, 401, {"WWW-Authenticate": 'Basic realm="Pinnokio", charset="UTF-8"'})


def _read_authorization(connection: HTTPConnection) -> tuple[str, str]:
    """The scheme, in lower case, and what follows it."""
    scheme, _, sent = connection.headers.get("authorization", "").partition(" ")
    return scheme.lower(), sent.strip()


def _read_password(sent: str) -> str:
    """Empty where there is none."""
    try:
        return base64.b64decode(sent, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _is_same(sent: str, token: str) -> bool:
    return hmac.compare_digest(sent.encode(), token.encode())
