"""A conversation with a model: its ids, its turns, which of them are sent again, and the events that tell of it.

Pure. Keeping turns is `service.store.conversations`', asking the model `service.gateways.chat`'s.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.errors import InvalidArguments
from service.domain.events import TASK_PROGRESS
from service.domain.progress import Notice, Report, build_progress
from service.domain.tasks import COMPLETED, ENDED, STARTED

CONVERSATION_UPDATE: Final = "llm.conversation_update"
CONVERSATION_COMPLETE: Final = "llm.conversation_complete"

ID_PREFIX: Final = "conv_"
_ID_HEX_DIGITS: Final = 12
_TASK_PREFIX: Final = "llm_"

# contract.md, the table of task types.
MAX_TOKENS: Final = 2000
# The longest context of today's models, at four characters a token, has room for three of these.
MAX_PROMPT_CHARS: Final = 1_000_000
MAX_MODEL_CHARS: Final = 200
MAX_TEMPERATURE: Final = 2.0

# What is kept of a conversation: far more than is sent again, for a model with a long context.
MAX_TURNS: Final = 50
MAX_TURNS_BYTES: Final = 512 * 1024

# English takes four bytes a token, other languages of the Latin script three to four, others about three.
_BYTES_A_TOKEN: Final = 4
# Role and separators of a message, as OpenAI counts them.
_TOKENS_A_MESSAGE: Final = 4

# Steps, and how far a conversation is after each (contract.md, "Events").
INITIALIZING: Final = ("initializing", 10)
CALLING_LLM: Final = ("calling_llm", 30)
PROCESSING_RESPONSE: Final = ("processing_response", 80)

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked and answered. `tokens_used` is an estimate where `is_estimate` says so."""

    prompt: str
    response: str
    model: str
    temperature: float
    timestamp: str
    tokens_used: int
    is_estimate: bool = False

    @property
    def tokens(self) -> int:
        """What it takes to send it again, estimated."""
        return estimate_tokens(self.prompt) + estimate_tokens(self.response) + 2 * _TOKENS_A_MESSAGE


@dataclass(frozen=True, slots=True)
class LlmUse:
    """What one answer of a model took. `first_token_s`: from asking to its first text; None: it had no text."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    first_token_s: float | None


def build_id() -> str:
    """A new conversation's id: `conv_` and 12 hex digits."""
    return ID_PREFIX + uuid.uuid4().hex[:_ID_HEX_DIGITS]


def task_id_of(conversation_id: str) -> str:
    """The id of a conversation's task, the same for each of its turns."""
    return _TASK_PREFIX + conversation_id


def conversation_id_of(task_id: str) -> str:
    """The conversation whose task has this id."""
    return task_id.removeprefix(_TASK_PREFIX)


def check_turn(prompt: str, model: str, temperature: float) -> None:
    """Raises InvalidArguments that says what is wrong, without repeating the prompt."""
    if not prompt.strip():
        raise InvalidArguments("prompt is empty")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidArguments(f"prompt is longer than {MAX_PROMPT_CHARS} characters")
    if not model or len(model) > MAX_MODEL_CHARS or not model.isprintable():
        raise InvalidArguments(f"model takes 1 to {MAX_MODEL_CHARS} printable characters")
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise InvalidArguments(f"temperature takes a number from 0 to {MAX_TEMPERATURE:g}")


def estimate_tokens(text: str) -> int:
    """Tokens of a text by its length; 0 for none. Example: `"Bonjour"` → 2."""
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def estimate_usage(messages: Sequence[Message], response: str) -> int:
    """Tokens that a request and its answer took, where the endpoint does not tell."""
    asked = sum(estimate_tokens(message["content"]) + _TOKENS_A_MESSAGE for message in messages)
    return asked + estimate_tokens(response)


def choose_turns(turns: Sequence[Turn], budget_tokens: int) -> list[Turn]:
    """The newest turns that fit the budget together, oldest first; none is left out between two that are sent.

    Example: turns of 10, 90 and 20 tokens and a budget of 100 → the last alone.
    """
    chosen: list[Turn] = []
    for turn in reversed(turns):
        budget_tokens -= turn.tokens
        if budget_tokens < 0:
            break
        chosen.append(turn)
    return chosen[::-1]


def build_messages(namespace: str, company_id: str, turns: Sequence[Turn], prompt: str) -> list[Message]:
    """What the model is sent: who it works for, the turns before, the prompt."""
    messages = [{"role": "system", "content": _build_system_prompt(namespace, company_id)}]
    for turn in turns:
        messages.append({"role": "user", "content": turn.prompt})
        messages.append({"role": "assistant", "content": turn.response})
    return [*messages, {"role": "user", "content": prompt}]


def _build_system_prompt(namespace: str, company_id: str) -> str:
    """Names the isolation, as contract.md has it."""
    return (
        "You are the assistant of an accounting application. "
        f"You work in the isolated namespace {_one_line(namespace)} of the company {_one_line(company_id)}: "
        "answer from this conversation alone, and never claim to know data of another user or company."
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def build_result(response: str, tokens_used: int, *, is_estimate: bool, finish_reason: str) -> dict[str, Any]:
    """The task's result. `tokens_estimated` stands there where the endpoint did not count, `finish_reason` where the
    answer is not the model's whole one (`length`: it ends at its limit)."""
    result: dict[str, Any] = {"response": response, "tokens_used": tokens_used}
    if is_estimate:
        result["tokens_estimated"] = True
    if finish_reason != "stop":
        result["finish_reason"] = finish_reason
    return result


def build_delta(conversation_id: str, text: str, offset: int) -> dict[str, Any]:
    """Payload of an `llm.conversation_update` that carries a piece of the answer.

    `offset`: characters that came before it. 0 begins anew, after a worker's death too; a gap says that a piece was
    missed, and the whole comes at the end.
    """
    name, percent = CALLING_LLM
    return _build_update(conversation_id, name, percent, {"delta": text, "offset": offset})


def build_notices(report: Report) -> list[Notice]:
    """A `task.progress_update` with the conversation's id as `task_id`, the conversation's own update, and last, where
    the turn completed, `llm.conversation_complete`.

    The update's status is the step's name, but `started` for the first, and how it ended for the last.
    """
    conversation_id = conversation_id_of(report.task_id)
    status = report.status if report.status in ENDED or report.status == STARTED else report.step or report.status
    progress = build_progress(report) | {"task_id": conversation_id}
    notices: list[Notice] = [
        (TASK_PROGRESS, progress),
        (CONVERSATION_UPDATE, _build_update(conversation_id, status, report.percent, report.data)),
    ]
    if report.status == COMPLETED:
        notices.append((CONVERSATION_COMPLETE, {"conversation_id": conversation_id, **report.data}))
    return notices


def _build_update(conversation_id: str, status: str, percent: int, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"conversation_id": conversation_id, "status": status, "progress": percent, "data": dict(data)}
