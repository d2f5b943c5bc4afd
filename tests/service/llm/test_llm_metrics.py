"""What a conversation leaves in its worker's figures: tokens, their cost, and how soon the first came."""

from contract import metrics as names
from service.domain.conversation import estimate_tokens
from tests.openai_server.faults import Fault
from tests.openai_server.server import OpenAiServer
from tests.service.llm.conftest import Talk
from tests.service.metrics.samples import Samples, scrape_worker
from tests.service.waiting import eventually


async def figures_of(port: int, model: str) -> Samples:
    """Once its turn is counted: when the parent has the child's answer, a little after the last event."""

    async def read() -> Samples | None:
        samples = await scrape_worker(port)
        return samples if samples.read(names.LLM_TOKENS, model=model) is not None else None

    found: Samples = await eventually(read, deadline_s=30)
    return found


async def test_tokens_and_their_cost_are_the_endpoints_count(
    talk: Talk, openai: OpenAiServer, metrics_port: int
) -> None:
    events = await talk.ask("how much is due?", model="priced")
    answer = events[-1]["payload"]
    samples = await figures_of(metrics_port, "priced")
    prompt = samples.count(names.LLM_TOKENS, model="priced", kind=names.PROMPT)
    completion = samples.count(names.LLM_TOKENS, model="priced", kind=names.COMPLETION)
    # The stand-in counts words.
    assert completion == len(answer["response"].split())
    assert prompt + completion == answer["tokens_used"]
    assert samples.read(names.LLM_COST, model="priced") == (prompt * 1000 + completion * 2000) / 1_000_000
    assert samples.read(f"{names.LLM_FIRST_TOKEN}_count", model="priced") == 1
    assert 0 < samples.count(f"{names.LLM_FIRST_TOKEN}_sum", model="priced") < 30


async def test_tokens_that_the_endpoint_does_not_count_are_estimated(
    talk: Talk, openai: OpenAiServer, metrics_port: int
) -> None:
    openai.faults.append(Fault(has_usage=False))
    events = await talk.ask("how much is due?", model="uncounted")
    samples = await figures_of(metrics_port, "uncounted")
    estimate = estimate_tokens(events[-1]["payload"]["response"])
    assert samples.read(names.LLM_TOKENS, model="uncounted", kind=names.COMPLETION) == estimate
    assert samples.count(names.LLM_TOKENS, model="uncounted", kind=names.PROMPT) > estimate
    assert samples.read(names.LLM_COST, model="uncounted") is None
