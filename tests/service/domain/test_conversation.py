"""What is sent of a conversation, what is told of it, and how its tokens are estimated."""

from typing import Any

import pytest

from service.domain.conversation import (
    Turn,
    build_id,
    build_messages,
    build_notices,
    build_result,
    check_turn,
    choose_turns,
    conversation_id_of,
    estimate_tokens,
    estimate_usage,
    task_id_of,
)
from service.domain.errors import InvalidArguments
from service.domain.progress import Report


def turn(words: int, name: str = "") -> Turn:
    """One that takes some `words` tokens for its prompt, as many for its answer, and 8 for its messages."""
    return Turn(name + "four" * words, "four" * words, "gpt-4", 0.7, "2026-01-01T00:00:00+00:00", 1)


@pytest.mark.parametrize(
    ("sizes", "budget", "chosen"),
    [
        pytest.param([], 100, [], id="none"),
        pytest.param([1, 2, 3], 1000, [1, 2, 3], id="all"),
        pytest.param([1, 2, 3], 26, [2, 3], id="exactly two"),
        pytest.param([1, 2, 3], 25, [3], id="one token short"),
        pytest.param([1, 100, 3], 60, [3], id="none is left out between two"),
        pytest.param([100], 60, [], id="not even the last"),
        pytest.param([1], 0, [], id="no budget"),
    ],
)
def test_which_turns_are_sent_again(sizes: list[int], budget: int, chosen: list[int]) -> None:
    turns = [turn(size) for size in sizes]
    assert choose_turns(turns, budget) == [turn(size) for size in chosen]


def test_what_the_model_is_sent() -> None:
    before = [Turn("first?", "first!", "gpt-4", 0.7, "", 1), Turn("second?", "second!", "gpt-4", 0.7, "", 1)]
    system, *rest = build_messages("u1_acme", "acme", before, "third?")
    assert system["role"] == "system"
    assert "u1_acme" in system["content"]
    assert [(message["role"], message["content"]) for message in rest] == [
        ("user", "first?"),
        ("assistant", "first!"),
        ("user", "second?"),
        ("assistant", "second!"),
        ("user", "third?"),
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="none"),
        pytest.param("a", 1, id="a letter"),
        pytest.param("Bonjour", 2, id="a word"),
        pytest.param("été", 2, id="bytes, not letters"),
        pytest.param("\ud800", 1, id="half a character"),
    ],
)
def test_an_estimate_of_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_an_estimate_of_a_whole_request() -> None:
    messages = [{"role": "system", "content": "four"}, {"role": "user", "content": "fourfour"}]
    assert estimate_usage(messages, "fourfourfour") == (1 + 4) + (2 + 4) + 3


def test_ids() -> None:
    conversation_id = build_id()
    assert conversation_id.startswith("conv_")
    assert len(conversation_id) == len("conv_") + 12
    assert int(conversation_id.removeprefix("conv_"), 16) >= 0
    assert task_id_of(conversation_id) == f"llm_{conversation_id}"
    assert conversation_id_of(task_id_of(conversation_id)) == conversation_id


@pytest.mark.parametrize(
    ("prompt", "model", "temperature", "says"),
    [
        pytest.param(" \n", "gpt-4", 0.7, "prompt is empty", id="no prompt"),
        pytest.param("x" * 1_000_001, "gpt-4", 0.7, "prompt is longer", id="too long a prompt"),
        pytest.param("x", "", 0.7, "model takes", id="no model"),
        pytest.param("x", "gpt\n4", 0.7, "model takes", id="a control character"),
        pytest.param("x", "m" * 201, 0.7, "model takes", id="too long a model"),
        pytest.param("x", "gpt-4", 2.1, "temperature takes", id="too hot"),
        pytest.param("x", "gpt-4", -0.1, "temperature takes", id="too cold"),
    ],
)
def test_what_cannot_be_asked(prompt: str, model: str, temperature: float, says: str) -> None:
    with pytest.raises(InvalidArguments, match=says):
        check_turn(prompt, model, temperature)


def test_a_result_says_what_is_not_as_usual() -> None:
    assert build_result("r", 3, is_estimate=False, finish_reason="stop") == {"response": "r", "tokens_used": 3}
    unusual = build_result("r", 3, is_estimate=True, finish_reason="length")
    assert unusual == {"response": "r", "tokens_used": 3, "tokens_estimated": True, "finish_reason": "length"}


RESULT = {"response": "r", "tokens_used": 3}


@pytest.mark.parametrize(
    ("report", "status", "progress"),
    [
        pytest.param(Report("llm_c", "started", "initializing", 10), "started", 10, id="the first step"),
        pytest.param(Report("llm_c", "processing", "calling_llm", 30), "calling_llm", 30, id="a step"),
        pytest.param(Report("llm_c", "completed", "processing_response", 100, RESULT), "completed", 100, id="the end"),
        pytest.param(Report("llm_c", "failed", "calling_llm", 0, {"error": "e"}), "failed", 0, id="a failure"),
        pytest.param(Report("llm_c", "cancelled"), "cancelled", 0, id="cancelled in its queue"),
    ],
)
def test_what_is_told(report: Report, status: str, progress: int) -> None:
    notices: list[tuple[str, Any]] = list(build_notices(report))
    assert [kind for kind, _ in notices[:2]] == ["task.progress_update", "llm.conversation_update"]
    assert (notices[0][1]["task_id"], notices[0][1]["status"]) == ("c", report.status)
    expected = {"conversation_id": "c", "status": status, "progress": progress, "data": dict(report.data)}
    assert notices[1][1] == expected
    complete = [("llm.conversation_complete", {"conversation_id": "c", **RESULT})] if status == "completed" else []
    assert notices[2:] == complete
