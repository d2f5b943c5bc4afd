"""Vectors of texts, from the OpenAI-compatible endpoint."""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from service.domain.errors import DependencyRefused, DependencyUnavailable, ServiceError
from service.domain.storage import VECTOR_ELEMENT_BYTES
from service.domain.vectors import Vector, batches, pack_vector
from service.gateways.openai import OpenAi, build_fault

if TYPE_CHECKING:
    from openai import OpenAIError
    from openai.types import CreateEmbeddingResponse

# One request takes 2,048 texts and 300,000 tokens at most. A token is a byte at least, so that no tokens are counted.
MAX_TEXTS: Final = 256
MAX_BYTES: Final = 250_000
# One request with its retries.
LIMIT_S: Final = 60.0
BAD_ANSWER: Final = "the OpenAI endpoint's answer cannot be read"
# So many texts refused one by one, and none taken: it is not the texts.
MAX_REFUSED_ALONE: Final = 5
# A request that the endpoint understands and will not take.
_NOT_THESE_TEXTS: Final = (400, 413, 422)


class TextsRefused(DependencyRefused):
    """The endpoint takes requests, but not these texts: one is above 8,192 tokens, say."""


class Embeddings:
    """Asks one model."""

    def __init__(self, openai: OpenAi, model: str, *, limit_s: float = LIMIT_S) -> None:
        self._openai = openai
        self._model = model
        self._limit_s = limit_s

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, all of one dimension.

        Raises DependencyUnavailable, or DependencyRefused (the key, the model, a text above 8,192 tokens).
        """
        vectors: list[Vector] = []
        # As the client of Chroma 0.4 did it, which made the vectors that production has.
        plain = [text.replace("\n", " ") for text in texts]
        for batch in batches(plain, max_count=MAX_TEXTS, max_bytes=MAX_BYTES):
            vectors += await self._embed_batch(batch)
        if len({len(vector) for vector in vectors}) > 1:
            raise DependencyUnavailable(BAD_ANSWER)
        return vectors

    async def embed_each(self, texts: Sequence[str]) -> list[Vector | TextsRefused]:
        """A vector for each text, or why it has none; a batch that is refused is halved until it is known which.

        Raises as `embed`, and TextsRefused where every text is refused, so that it cannot be the texts.
        """
        found: list[Vector | TextsRefused] = []
        await self._embed_halves(texts, found)
        if all(isinstance(one, TextsRefused) for one in found):
            raise next(one for one in found if isinstance(one, TextsRefused))
        return found

    async def _embed_halves(self, texts: Sequence[str], found: list[Vector | TextsRefused]) -> None:
        try:
            found += await self.embed(texts)
        except TextsRefused as refused:
            if len(found) >= MAX_REFUSED_ALONE and all(isinstance(one, TextsRefused) for one in found):
                raise
            if len(texts) == 1:
                found.append(refused)
                return
            middle = len(texts) // 2
            await self._embed_halves(texts[:middle], found)
            await self._embed_halves(texts[middle:], found)

    async def _embed_batch(self, texts: Sequence[str]) -> list[Vector]:
        client = await self._openai.client()
        from openai import OpenAIError

        try:
            async with asyncio.timeout(self._limit_s):
                answer = await client.embeddings.create(input=list(texts), model=self._model, encoding_format="base64")
        except TimeoutError:
            raise DependencyUnavailable(f"the OpenAI endpoint gave no vectors within {self._limit_s:g} s") from None
        except OpenAIError as fault:
            raise _build_fault(fault) from fault
        except ValueError as fault:
            raise DependencyUnavailable(BAD_ANSWER) from fault
        return _read_vectors(answer, len(texts))


def _build_fault(fault: "OpenAIError") -> ServiceError:
    meant = build_fault(fault)
    is_of_texts = getattr(fault, "status_code", None) in _NOT_THESE_TEXTS
    return TextsRefused(str(meant), logged=meant.logged) if is_of_texts else meant


def _read_vectors(answer: "CreateEmbeddingResponse", count: int) -> list[Vector]:
    """In the order of the texts."""
    try:
        found = {item.index: _read_vector(item.embedding) for item in answer.data}
        return [found[position] for position in range(count)]
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise DependencyUnavailable(BAD_ANSWER) from fault


def _read_vector(sent: Any) -> Vector:
    """base64 where the endpoint knows it (the client leaves it as it is), else a list of numbers."""
    try:
        vector = b64decode(sent, validate=True) if isinstance(sent, str) else pack_vector(sent)
    except binascii.Error as fault:
        raise ValueError("not base64") from fault
    if not vector or len(vector) % VECTOR_ELEMENT_BYTES:
        raise ValueError("not a vector")
    return vector
