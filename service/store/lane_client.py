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
        # A plain dict: redis-py's own looks names up in any case, and takes as long as all the rest.
        self._parsers: dict[Any, Any] = dict(self.response_callbacks)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await _parse(self._parsers, args[0], await self._lane.ask(*args), options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        if transaction:
            return super().pipeline(transaction, shard_hint)
        return _LanePipeline(self._lane, self._parsers)


class _LanePipeline(Pipeline):
    """Commands that leave in one write; the first error among their answers is raised."""

    # redis-py asks when it goes.
    connection = None

    def __init__(self, lane: Lane, parsers: Mapping[Any, Any]) -> None:
        # Nothing of redis-py's own: it is for a connection, transactions and watched keys.
        self._lane = lane
        self._parsers = parsers
        self._commands: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self._commands.append((args, options))
        return self

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, self._commands = self._commands, []
        answers = await self._lane.run(*[args for args, _ in commands]) if commands else []
        for place, (args, options) in enumerate(commands):
            answer = answers[place]
            if isinstance(answer, RedisError):
                if raise_on_error:
                    raise answer
            elif args[0] in self._parsers:
                answers[place] = await _parse(self._parsers, args[0], answer, options)
        return answers


async def _parse(parsers: Mapping[Any, Any], command: Any, answer: Any, options: Mapping[str, Any]) -> Any:
    """What redis-py makes of an answer: a dict of HGETALL's list, and so on."""
    callback = parsers.get(command)
    if callback is None:
        return answer
    # redis-py's own notes to itself.
    parsed = callback(answer, **{name: value for name, value in options.items() if name != "keys"})
    return await parsed if inspect.isawaitable(parsed) else parsed
