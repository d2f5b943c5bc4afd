"""Turns the pieces of a streamed text into batches, when each is due. When that is, `service.domain.streaming` says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from service.domain.streaming import TextBatcher


async def gather_pieces(pieces: AsyncIterator[str], batcher: TextBatcher) -> AsyncGenerator[str]:
    """Every character of `pieces`, in order; what waits goes out when its time has come, also while nothing follows.

    A failure of `pieces` is raised at once, without what waits. Use it with `contextlib.aclosing`.
    """
    clock = asyncio.get_running_loop().time
    coming: asyncio.Task[str | None] = asyncio.create_task(_next(pieces))
    try:
        is_ended = False
        while not (is_ended and batcher.is_empty):
            if text := batcher.take(clock()):
                yield text
            elif is_ended:
                await asyncio.sleep(batcher.wait_s(clock()) or 0)
            else:
                await asyncio.wait({coming}, timeout=batcher.wait_s(clock()))
            if not is_ended and coming.done():
                piece = coming.result()
                is_ended = piece is None
                if piece is not None:
                    batcher.add(piece)
                    coming = asyncio.create_task(_next(pieces))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _next(pieces: AsyncIterator[str]) -> str | None:
    return await anext(pieces, None)
