"""Reads a request's body up to a limit, and not for ever."""

import asyncio

from starlette.requests import ClientDisconnect, Request


class BodyRefused(Exception):
    """The body was not read to its end; `status` is the answer's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


async def read_body(request: Request, *, limit_bytes: int, timeout_s: float) -> bytes:
    """Raises BodyRefused: 413 above the limit (unread, where Content-Length tells), 408 too slow, 400 broken off."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit_bytes:
        raise BodyRefused(413, f"the body is larger than {limit_bytes} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size += len(part)
                if size > limit_bytes:
                    raise BodyRefused(413, f"the body is larger than {limit_bytes} bytes")
                parts.append(part)
    except TimeoutError:
        raise BodyRefused(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise BodyRefused(400, "the body did not arrive to its end") from None
    return b"".join(parts)
