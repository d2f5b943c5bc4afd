"""The OpenAI-compatible endpoint: one client a process, made at its first use, and what its failures mean.

Retries are made here and nowhere else, by the client itself: after a refused connection, a timeout, 408, 409, 429 and
5xx, when `Retry-After` says so, else in half a second and then longer. A stream is retried before its first byte only.
"""

import asyncio
import importlib
from typing import TYPE_CHECKING, Final

from service.domain.errors import DependencyRefused, DependencyUnavailable, ServiceError
from service.settings import OpenAiSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAIError

RETRIES: Final = 3
CONNECT_LIMIT_S: Final = 5.0
# Between two pieces of an answer. The whole of it is limited by who asks.
READ_LIMIT_S: Final = 60.0
OPENAI_URL: Final = "https://api.openai.com/v1"
NOT_CONFIGURED: Final = "no OpenAI endpoint is configured (OPENAI_API_KEY and OPENAI_BASE_URL are not set)"
MAX_MESSAGE_CHARS: Final = 300
# Imported with the client: at first use they would hold the event loop up.
MODULES: Final = ("openai", "openai.resources.embeddings", "openai.resources.chat.completions")


class OpenAi:
    """Gives out the client. It is shared: chat and embeddings use one pool of connections."""

    def __init__(self, settings: OpenAiSettings) -> None:
        self._settings = settings
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    @property
    def is_configured(self) -> bool:
        return bool(self._settings.api_key or self._settings.base_url)

    async def client(self) -> "AsyncOpenAI":
        """Raises DependencyUnavailable where no endpoint is configured."""
        if not self.is_configured:
            raise DependencyUnavailable(NOT_CONFIGURED)
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    await asyncio.to_thread(_import)
                    self._client = self._open()
        return self._client

    async def ping(self, limit_s: float) -> None:
        """Asks for what costs nothing, once. Raises DependencyUnavailable, or DependencyRefused where the key is.

        By aiohttp: the client takes 30 MB, and who only pings needs nothing else of it.
        """
        await asyncio.to_thread(importlib.import_module, "aiohttp")
        import aiohttp

        url = f"{(self._settings.base_url or OPENAI_URL).rstrip('/')}/models"
        headers = {"Authorization": f"Bearer {self._settings.api_key}"} if self._settings.api_key else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=limit_s)) as session,
                session.get(url, headers=headers) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, ValueError, TimeoutError) as fault:
            raise DependencyUnavailable("the OpenAI endpoint cannot be reached") from fault
        # An endpoint without that list has answered all the same.
        if status >= 400 and status not in (404, 405):
            raise _status_fault(status, f"HTTP status {status}")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, Timeout

        return AsyncOpenAI(
            # An endpoint of one's own may take no key; the client insists on one.
            api_key=self._settings.api_key or "none",
            base_url=self._settings.base_url,
            max_retries=RETRIES,
            timeout=Timeout(READ_LIMIT_S, connect=CONNECT_LIMIT_S),
        )


def build_fault(fault: "OpenAIError") -> ServiceError:
    """What a failure of the client means to a caller; its text holds neither key nor address."""
    import openai

    if isinstance(fault, openai.APITimeoutError):
        return DependencyUnavailable("the OpenAI endpoint does not answer in time")
    if isinstance(fault, openai.APIConnectionError):
        return DependencyUnavailable("the OpenAI endpoint cannot be reached")
    if isinstance(fault, openai.APIStatusError):
        return _status_fault(fault.status_code, fault.message[:MAX_MESSAGE_CHARS])
    return DependencyUnavailable("the OpenAI endpoint's answer cannot be read")


def _status_fault(status: int, message: str) -> ServiceError:
    if status in (401, 403):
        # Its own text shows parts of the key.
        return DependencyRefused("the OpenAI endpoint refuses the key (OPENAI_API_KEY)")
    # An endpoint's own words may quote what it was sent.
    logged = f"the OpenAI endpoint answered with status {status}"
    if status == 429:
        return DependencyUnavailable(f"the OpenAI endpoint is over its limit: {message}", logged=logged)
    if status >= 500 or status in (408, 409):
        return DependencyUnavailable(f"the OpenAI endpoint cannot serve this now: {message}", logged=logged)
    return DependencyRefused(f"the OpenAI endpoint refused: {message}", logged=logged)


def _import() -> None:
    for name in MODULES:
        importlib.import_module(name)
