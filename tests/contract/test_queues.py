"""Task types and their queues, as the contract's table has them."""

import pytest

from contract import queues


@pytest.mark.parametrize(
    ("task_type", "queue", "max_duration_s"),
    [
        ("document_analysis", "computation", 1800),
        ("vector_embeddings", "computation", 900),
        ("report_generation", "computation", 900),
        ("data_transformation", "computation", 900),
        ("ml_analysis", "computation", 900),
        ("llm_conversation", "llm", 300),
        ("cleanup", "maintenance", 300),
        ("health_check", "maintenance", 300),
        ("of_the_owner", "default", 3600),
    ],
)
def test_default_route(task_type: str, queue: str, max_duration_s: int) -> None:
    declared = queues.task_type_of(task_type)
    assert (declared.queue, declared.max_duration_s) == (queue, max_duration_s)
    assert queues.queue_of(task_type, {}) == queue


def test_a_route_wins_over_the_default() -> None:
    assert queues.queue_of("document_analysis", {"document_analysis": "documents"}) == "documents"


@pytest.mark.parametrize("chore", ["recovery", "quota_repair", "figures"])
def test_beats_own_run_where_cleanup_does(chore: str) -> None:
    """A spec without a maintenance queue routes `cleanup` elsewhere; lost tasks must be found there too."""
    assert queues.queue_of(chore, {}) == "maintenance"
    assert queues.queue_of(chore, {"cleanup": "default"}) == "default"
    assert queues.queue_of(chore, {"cleanup": "default", chore: "llm"}) == "llm"
