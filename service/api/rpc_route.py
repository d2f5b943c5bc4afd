"""POST /rpc: lets a request in, parses it, claims its key, runs the call, answers (contract.md, "POST /rpc").

A call that cannot run (unknown method, arguments that do not fit) is refused before its key is claimed, so that the
corrected retry is the first to claim it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from contract import rpc
from contract.metrics import FAILURE_CODES
from contract.rpc import RpcRequest
from service import metrics
from service.api import answers
from service.api.auth import refuse
from service.api.body import BodyRefused, read_body
from service.api.envelope import BodyUnreadable, ShapeMismatch, parse_request
from service.api.seldom_warnings import SeldomWarnings
from service.api.tracing import HEADER, choose_trace
from service.domain.errors import InvalidApiVersion, InvalidArguments, MethodNotFound, NeverBegun, ServiceError
from service.logs import log_unexpected
from service.rpc.binding import BoundCall
from service.rpc.errors import build_error, is_refusal
from service.rpc.router import Call, Dispatcher, current_call
from service.rpc.starting import NeverRan
from service.settings import Settings
from service.store.flag import cohort
from service.store.idempotency import IdempotencyStore
from service.store.lane import Lane

log = structlog.get_logger("rpc")
_plain_log = logging.getLogger("rpc")

# Keys and channels are short names; longer ones are a mistake, and would be kept in Valkey's memory.
MAX_NAME_CHARS: Final = 1024
DAY_MS: Final = 86_400_000
# Beside the call itself Valkey gets this long; then the call goes on without it.
VALKEY_LIMIT_S: Final = 1.0
UNKNOWN_METHOD: Final = "unknown"
NO_COHORT: Final = "none"
OK: Final = "OK"

Answer = TypeVar("Answer")


class RpcRoute:
    """The endpoint. Holds no state of a request but what goes on beside its answer."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher, idempotency: IdempotencyStore, lane: Lane) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._idempotency = idempotency
        self._lane = lane
        own = ("pinnokio:", settings.celery_key_prefix, "celery", "/0.celery", "__")
        prefixes = (settings.channel_prefix, settings.chat_channel_prefix, *own)
        self._refused_channels = tuple(prefix for prefix in prefixes if prefix)
        self._warnings = SeldomWarnings()
        # What goes on beside answers that could not wait for it.
        self._beside: set[asyncio.Task[Any]] = set()

    async def endpoint(self, request: Request) -> Response:
        refused = refuse(request, self._settings.token)
        if refused is not None:
            return self._turn_away(request, refused)
        try:
            body = await read_body(
                request,
                limit_bytes=self._settings.rpc_max_body_bytes,
                timeout_s=self._settings.rpc_timeout_ms / 1000,
            )
            parsed = parse_request(body)
        except BodyRefused as fault:
            return self._turn_away(request, answers.refusal(fault.status, str(fault)))
        except BodyUnreadable as fault:
            return self._turn_away(request, answers.refusal(400, str(fault)))
        except ShapeMismatch as fault:
            return self._turn_away(request, answers.refusal(422, [problem.document() for problem in fault.problems]))
        trace = choose_trace(request.scope["headers"], parsed.trace_id)
        bind_contextvars(trace_id=trace.trace_id, request_id=trace.request_id)
        response = await self._answer(parsed)
        response.raw_headers.append((HEADER, trace.request_id.encode()))
        return response

    def _turn_away(self, request: Request, refusal: Response) -> Response:
        """A request that is no call: it has no method, and may be everybody's, as where a token was changed.

        Nothing of what was sent is logged.
        """
        status, client = str(refusal.status_code), request.client.host if request.client else None
        metrics.RPC_TURNED_AWAY.labels(status).inc()
        self._warnings.warn("rpc_turned_away", status, status=refusal.status_code, client=client)
        return refusal

    async def _answer(self, request: RpcRequest) -> Response:
        started = time.perf_counter()
        cohort.set(None)
        code = OK
        try:
            response = await self._serve(request)
        except Exception as fault:
            error = build_error(fault)
            code = error.code
            if code == rpc.INTERNAL:
                log_unexpected("rpc", "rpc_failed", fault, method=request.method[:MAX_NAME_CHARS])
            elif code in FAILURE_CODES:
                self._warn_of_failure(request.method, code, started)
            response = answers.failure(error)
        self._measure(request.method, code, time.perf_counter() - started)
        return response

    async def _serve(self, request: RpcRequest) -> Response:
        self._check_envelope(request)
        deadline = asyncio.get_running_loop().time() + self._timeout_s(request)
        try:
            bound = self._dispatcher.prepare(request.method, request.args, request.kwargs)
        except (MethodNotFound, InvalidArguments):
            if await self._was_claimed(request, deadline):
                return answers.duplicate()
            raise
        if not await self._claim(request, deadline):
            return answers.duplicate()
        return await self._run(request, bound, deadline)

    async def _run(self, request: RpcRequest, bound: BoundCall, deadline: float) -> Response:
        current_call.set(Call(request.user_id, request.session_id, request.trace_id, deadline))
        try:
            data = await self._dispatcher.run(bound, deadline)
        except ServiceError as fault:
            if is_refusal(fault):
                await self._release(request, deadline)
            raise
        if isinstance(data, NeverRan):
            await self._release(request, deadline)
        if not bound.method.is_ours:
            data = answers.as_json(data)
        body = answers.encode_data(data)
        if request.reply_to:
            reply = self._lane.ask("PUBLISH", request.reply_to, answers.encode_reply(data, request.trace_id))
            await self._ask_valkey(reply, deadline, unknown=None)
        return answers.success(body)

    def _check_envelope(self, request: RpcRequest) -> None:
        """Raises InvalidApiVersion or InvalidArguments."""
        if request.api_version != self._settings.rpc_api_version:
            raise InvalidApiVersion(f"expected {self._settings.rpc_api_version}")
        if not request.idempotency_key:
            raise InvalidArguments("idempotency_key required")
        if len(request.idempotency_key) > MAX_NAME_CHARS:
            raise InvalidArguments(f"idempotency_key is longer than {MAX_NAME_CHARS} characters")
        channel = request.reply_to
        if channel and (len(channel) > MAX_NAME_CHARS or channel.startswith(self._refused_channels)):
            raise InvalidArguments("reply_to names a channel that is not the caller's")

    def _timeout_s(self, request: RpcRequest) -> float:
        """A `timeout_ms` of zero or less asks for none."""
        asked = request.timeout_ms or 0
        return min(asked if asked > 0 else self._settings.rpc_timeout_ms, DAY_MS) / 1000

    def _is_idempotent(self, request: RpcRequest) -> bool:
        settings = self._settings
        return not (settings.idempotency_disabled or request.method in settings.idempotency_disabled_methods)

    async def _claim(self, request: RpcRequest, deadline: float) -> bool:
        """Whether the call may run: its key was free, or Valkey cannot tell. Raises NeverBegun if its time is over."""
        if not self._is_idempotent(request):
            return True
        claim = self._idempotency.claim(request.idempotency_key)
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s > VALKEY_LIMIT_S:
            return await self._ask_valkey(claim, deadline, unknown=True)
        claiming = self._start(self._ask_valkey(claim, None, unknown=None))
        await asyncio.wait((claiming,), timeout=left_s)
        if not claiming.done():
            self._start(self._release_late(request, claiming))
            raise NeverBegun("Valkey did not answer within the time that the call was given")
        return claiming.result() is not False

    async def _release_late(self, request: RpcRequest, claiming: asyncio.Task[bool | None]) -> None:
        """Only what this request has claimed: the key may be another's."""
        if await claiming:
            await self._release(request, asyncio.get_running_loop().time() + VALKEY_LIMIT_S)

    async def _was_claimed(self, request: RpcRequest, deadline: float) -> bool:
        """Whether an earlier request has the key of one that is refused."""
        if not self._is_idempotent(request):
            return False
        return await self._ask_valkey(self._idempotency.is_claimed(request.idempotency_key), deadline, unknown=False)

    async def _release(self, request: RpcRequest, deadline: float) -> None:
        """Goes on beside the answer where the call's time is over."""
        if not self._is_idempotent(request):
            return
        now = asyncio.get_running_loop().time()
        release = self._idempotency.release(request.idempotency_key)
        releasing = self._start(self._ask_valkey(release, now + VALKEY_LIMIT_S, unknown=None))
        await asyncio.wait((releasing,), timeout=max(deadline - now, 0.0))

    def _start(self, coroutine: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(coroutine)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def _ask_valkey(self, answer: Awaitable[Answer], deadline: float | None, *, unknown: Answer) -> Answer:
        """`unknown` where Valkey does not answer soon: what stands around a call must not keep it from its answer.

        `deadline` None: nobody waits for it, and the connection's own limit holds.
        """
        soon = asyncio.get_running_loop().time() + VALKEY_LIMIT_S
        try:
            async with asyncio.timeout_at(None if deadline is None else min(deadline, soon)):
                return await answer
        except (RedisError, TimeoutError) as fault:
            log.warning("rpc_without_valkey", error=str(fault) or type(fault).__name__)
            return unknown

    def _warn_of_failure(self, method: str, code: str, started: float) -> None:
        duration_s = round(time.perf_counter() - started, 6)
        method = self._label(method)
        self._warnings.warn("rpc_not_answered", method, code, method=method, code=code, duration_s=duration_s)

    def _label(self, method: str) -> str:
        return method if method in self._dispatcher.methods else UNKNOWN_METHOD

    def _measure(self, method: str, code: str, seconds: float) -> None:
        label = self._label(method)
        metrics.RPC_CALLS.count(label, code, cohort.get() or NO_COHORT, seconds)
        # Asking structlog whether it would write takes longer than all of this.
        if _plain_log.isEnabledFor(logging.DEBUG):
            log.debug("rpc_answered", method=label, code=code, duration_s=round(seconds, 6))
