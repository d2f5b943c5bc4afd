"""redis-py's commands and pipelines over the lane: the same calls, a fifth of the time, and each sent at most once.

For the stores whose commands are short and come with every task. What blocks (Pub/Sub, a long reply) takes a client of
`service.store.client`.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from service.store.lane import Lane


class LaneClient(aioredis.Redis):
    """Closing the lane is its owner's; a pool of its own is never used."""

    def __init__(self, lane: Lane) -> None:
        # The lane speaks RESP2: answers are parsed as such.
        super().__init__(protocol=2)
        self._lane = lane

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await _parse(self.response_callbacks, args[0], await self._lane.ask(*args), options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        if transaction:
            return super().pipeline(transaction, shard_hint)
        return _LanePipeline(self._lane, self)


class _LanePipeline(Pipeline):
    """Commands that leave in one write; the first error among their answers is raised."""

    def __init__(self, lane: Lane, client: LaneClient) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction=False, shard_hint=None)
        self._lane = lane

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        stack, self.command_stack = self.command_stack, []
        answers = await self._lane.run(*(args for args, _ in stack)) if stack else []
        for place, (args, options) in enumerate(stack):
            if not isinstance(answers[place], RedisError):
                answers[place] = await _parse(self.response_callbacks, args[0], answers[place], options)
            elif raise_on_error:
                raise answers[place]
        return answers


async def _parse(callbacks: Any, command: Any, answer: Any, options: Mapping[str, Any]) -> Any:
    """What redis-py makes of an answer: a dict of HGETALL's list, and so on."""
    callback = callbacks.get(command)
    if callback is None:
        return answer
    # redis-py's own notes to itself.
    parsed = callback(answer, **{name: value for name, value in options.items() if name != "keys"})
    return await parsed if inspect.isawaitable(parsed) else parsed
