"""llm_conversation: one turn of a conversation with a model, its answer streamed to the user as it comes.

What is sent and what is told is `service.domain.conversation`'s, asking `service.gateways.chat`'s; this drives both.
"""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from contract.queues import LLM_CONVERSATION
from service.domain.conversation import (
    CALLING_LLM,
    CONVERSATION_UPDATE,
    INITIALIZING,
    MAX_TOKENS,
    PROCESSING_RESPONSE,
    LlmUse,
    Turn,
    build_delta,
    build_id,
    build_messages,
    build_notices,
    build_result,
    check_turn,
    choose_turns,
    estimate_tokens,
    estimate_usage,
    task_id_of,
)
from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.domain.ids import Id
from service.domain.quotas import MAX_LLM_REQUESTS_PER_HOUR, MAX_TASKS_PER_USER
from service.domain.streaming import TextBatcher
from service.gateways.chat import ChatRequest, describe
from service.gateways.openai import MODULES
from service.store.conversations import ConversationKey
from service.tasks.declaring import Arguments, Result, Start, TaskContext, TaskFailure, task_type
from service.tasks.ending import patiently
from service.tasks.streaming import gather_pieces


def start(
    user_id: Id,
    company_id: Id,
    prompt: str,
    conversation_id: Id | None = None,
    model: str = "gpt-4",
    temperature: float = 0.7,
) -> Start:
    """Asks a model; `conversation_id`: goes on with that conversation of this user in this company."""
    check_turn(prompt, model, temperature)
    conversation_id = conversation_id or build_id()
    return Start(
        user_id,
        {"conversation_id": conversation_id, "prompt": prompt, "model": model, "temperature": temperature},
        answer={"conversation_id": conversation_id},
        task_id=task_id_of(conversation_id),
        company_id=company_id,
        conversation_id=conversation_id,
    )


def start_new(user_id: Id, company_id: Id, prompt: str, model: str = "gpt-4", temperature: float = 0.7) -> Start:
    """Asks a model, in a new conversation."""
    return start(user_id, company_id, prompt, None, model, temperature)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the model said. `tokens_used`, `completion_tokens` None: the endpoint did not count."""

    text: str
    tokens_used: int | None
    completion_tokens: int | None
    finish_reason: str
    first_text_s: float | None


@task_type(
    LLM_CONVERSATION,
    starts={"TASK.start_llm_conversation": start, "LLM.start_conversation": start_new},
    preload=MODULES,
    quotas=(MAX_TASKS_PER_USER, MAX_LLM_REQUESTS_PER_HOUR),
    notices=build_notices,
)
async def converse(context: TaskContext, arguments: Arguments) -> Result:
    await context.step_done(*INITIALIZING)
    store, run = context.services.conversations, context.fence.run
    key = ConversationKey(context.company_id, context.user_id, arguments["conversation_id"])
    kept = await patiently(lambda: store.read_turns(key, before_run=run))
    turns = choose_turns(kept, context.services.settings.llm_history_tokens)
    request = ChatRequest(
        model=arguments["model"],
        messages=build_messages(context.namespace, context.company_id, turns, arguments["prompt"]),
        temperature=arguments["temperature"],
        max_tokens=MAX_TOKENS,
        user=context.namespace,
    )
    await context.step_done(*CALLING_LLM)
    try:
        answer = await _ask(context, request, key.conversation_id)
    except (DependencyUnavailable, DependencyRefused) as fault:
        raise TaskFailure(str(fault), logged=describe(fault)) from fault
    await context.step_done(*PROCESSING_RESPONSE)
    turn = _build_turn(request, arguments["prompt"], answer)
    context.note_llm_use(_build_use(turn, answer))
    await patiently(lambda: store.add_turn(key, context.fence, turn))
    return build_result(answer.text, turn.tokens_used, is_estimate=turn.is_estimate, finish_reason=answer.finish_reason)


async def _ask(context: TaskContext, request: ChatRequest, conversation_id: str) -> _Answer:
    """The whole answer; its pieces go to the user while they come."""
    text = ""
    async with (
        context.services.gateways.chat.open(request) as stream,
        aclosing(gather_pieces(stream.pieces(), TextBatcher())) as batches,
    ):
        async for piece in batches:
            await context.publish_passing(CONVERSATION_UPDATE, build_delta(conversation_id, piece, len(text)))
            text += piece
    return _Answer(text, stream.tokens_used, stream.completion_tokens, stream.finish_reason or "", stream.first_text_s)


def _build_turn(request: ChatRequest, prompt: str, answer: _Answer) -> Turn:
    counted = answer.tokens_used
    return Turn(
        prompt=prompt,
        response=answer.text,
        model=request.model,
        temperature=request.temperature,
        timestamp=datetime.now(UTC).isoformat(),
        tokens_used=estimate_usage(request.messages, answer.text) if counted is None else counted,
        is_estimate=counted is None,
    )


def _build_use(turn: Turn, answer: _Answer) -> LlmUse:
    completion = estimate_tokens(answer.text) if answer.completion_tokens is None else answer.completion_tokens
    return LlmUse(turn.model, max(turn.tokens_used - completion, 0), completion, answer.first_text_s)
