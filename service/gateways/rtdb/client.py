"""Requests to the Realtime Database: read, patch, and the stream of changes under a path."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from service.gateways.rtdb.sse import EventParser, ServerEvent

SCOPES: Final = (
    "https://www.googleapis.com/auth/firebase.database",
    "https://www.googleapis.com/auth/userinfo.email",
)
LIMIT_S: Final = 5.0
CONNECT_S: Final = 5.0
# The database says `keep-alive` every 30 s: a stream that is silent for longer is broken.
SILENCE_S: Final = 75.0
# A token lasts an hour.
TOKEN_KEPT_S: Final = 45 * 60.0
# Streams that are being opened at once: a crowd must not keep the event loop from everything else.
OPENING: Final = 32
MAX_REDIRECTS: Final = 4


class RtdbFault(Exception):
    """The database did not do what was asked."""


class Tokens(Protocol):
    """Where access tokens come from."""

    async def read(self) -> str:
        """Raises RtdbFault."""

    def forget(self) -> None:
        """The last one was refused."""


class GoogleTokens:
    """Access tokens of the service account, fetched off the event loop."""

    def __init__(self, account: Mapping[str, Any]) -> None:
        self._account = account
        self._credentials: Any = None
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def read(self) -> str:
        """Raises RtdbFault."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._token = await asyncio.to_thread(self._refresh)
                except Exception as error:
                    # google-auth raises what its transport does, too.
                    raise RtdbFault(f"no access token: {type(error).__name__}") from error
                self._until = time.monotonic() + TOKEN_KEPT_S
            return self._token

    def forget(self) -> None:
        """The token was refused."""
        self._until = 0.0

    def _refresh(self) -> str:
        from google.auth.transport.requests import Request
        from google.oauth2 import service_account

        if self._credentials is None:
            from_info: Any = service_account.Credentials.from_service_account_info
            self._credentials = from_info(self._account, scopes=SCOPES)
        self._credentials.refresh(Request())
        return str(self._credentials.token)


class RtdbClient:
    """Made inside a running event loop. `tokens` None: no login, for a stand-in or an open database."""

    def __init__(self, url: str, tokens: Tokens | None) -> None:
        base, _, query = url.partition("?")
        self._base = base.rstrip("/")
        self._query = dict(re.findall(r"([^=&]+)=([^&]*)", query))
        # A token is for its owner's ears only.
        self._tokens = tokens if self._base.startswith("https://") else None
        self._opening = asyncio.Semaphore(OPENING)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=LIMIT_S, sock_connect=CONNECT_S),
            skip_auto_headers=("User-Agent",),
        )

    async def read(self, path: str, *, shallow: bool = False) -> Any:
        """What is at `path`, null as None; `shallow`: only whether there is something, and its keys."""
        return await self._ask("GET", path, params={"shallow": "true"} if shallow else {})

    async def patch(self, path: str, children: Mapping[str, Any]) -> None:
        """Sets these children (a name may be a path), and nothing else."""
        await self._ask("PATCH", path, params={"print": "silent"}, data=msgspec.json.encode(children))

    async def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """Events under `path` until the stream breaks, which raises RtdbFault."""
        parser = EventParser()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        try:
            async with self._opening:
                response = await self._open("GET", path, accept="text/event-stream", timeout=timeout)
            async with response:
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        yield event
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
            raise RtdbFault(repr(error)) from error
        raise RtdbFault("the server ended the stream")

    def forget_token(self) -> None:
        """The database took the token back."""
        if self._tokens is not None:
            self._tokens.forget()

    async def close(self) -> None:
        await self._session.close()

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with await self._open(method, path, **options) as response:
                raw = await response.read()
            return msgspec.json.decode(raw) if raw else None
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
            raise RtdbFault(repr(error)) from error

    async def _open(
        self, method: str, path: str, *, accept: str = "application/json", params: Any = None, **options: Any
    ) -> aiohttp.ClientResponse:
        """An answer that is no error. The database redirects to the server that has the data; the token goes along."""
        url = URL(f"{self._base}/{quote(path)}.json", encoded=True).update_query(self._query | (params or {}))
        for _ in range(MAX_REDIRECTS):
            headers = {"Accept": accept}
            if self._tokens is not None and _site(url) == _site(URL(self._base)):
                headers["Authorization"] = f"Bearer {await self._tokens.read()}"
            response = await self._session.request(method, url, headers=headers, allow_redirects=False, **options)
            if response.status not in (301, 302, 307, 308):
                self._check(response)
                return response
            response.release()
            url = url.join(URL(response.headers.get("Location", "")))
        raise RtdbFault("redirected too often")

    def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status in (401, 403):
            self.forget_token()
        if response.status >= 400:
            response.release()
            raise RtdbFault(f"HTTP {response.status}")


def _site(url: URL) -> tuple[str, str]:
    """Scheme and the name's last two parts: all servers of one database have them in common."""
    return url.scheme, ".".join((url.host or "").split(".")[-2:])
