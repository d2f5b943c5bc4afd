"""What a request is called in the logs: its own id, and that of what it is part of.

A caller may name both; a name that is not sane (too long, not plain) is not taken over, for it goes into log lines,
messages and events.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEADER: Final = b"x-request-id"
MAX_CHARS: Final = 128
# W3C Trace Context: version, trace id, parent id, flags; a later version may say more after that.
_TRACEPARENT: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NOBODY: Final = "0" * 32
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Trace:
    """`request_id` is one HTTP request's; `trace_id` goes on with its tasks: message, worker's lines, events."""

    trace_id: str
    request_id: str


def choose_trace(headers: Iterable[tuple[bytes, bytes]], said: str | None) -> Trace:
    """`headers` as ASGI has them, `said`: the `trace_id` of the body.

    Request id: `X-Request-Id`, else a new one. Trace id, in this order: the body's; the one in `traceparent`; the
    request id. Example: `traceparent: 00-4bf9…4736-00f0…02b7-01` alone → trace `4bf9…4736`, a new request id.
    """
    request_id = parent = None
    for name, value in headers:
        if name == HEADER and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            parent = match[1].decode()
    request_id = request_id or secrets.token_hex(16)
    if said and len(said) <= MAX_CHARS and said.isprintable():
        return Trace(said, request_id)
    return Trace(parent if parent and parent != _NOBODY else request_id, request_id)
