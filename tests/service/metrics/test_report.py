"""What a child tells its parent, there and back, and what the parent makes of models."""

import pytest

from contract import metrics as names
from service.domain.conversation import LlmUse
from service.settings import LlmPrice, Settings, SettingsError
from service.worker.metrics import WorkerMetrics
from service.worker.report import RunReport, parse_report


@pytest.mark.parametrize(
    "report",
    [
        RunReport("completed", 1),
        RunReport("failed", 3, "KeyError"),
        RunReport(None, 2),
        RunReport("completed", 1, None, LlmUse("meta/llama-3.1:70b@v2", 120, 40, 0.125)),
        RunReport("completed", 1, None, LlmUse("gpt-4", 120, 0, None)),
    ],
    ids=["completed", "failed", "no effect", "a turn", "a turn without text"],
)
def test_a_report_comes_as_it_was_told(report: RunReport) -> None:
    assert parse_report(repr(report.encode())) == report


@pytest.mark.parametrize("answer", ["None", None, 3])
def test_a_chores_answer_is_no_report(answer: object) -> None:
    assert parse_report(answer) is None


@pytest.mark.parametrize("model", ["it's", "two words", "ümlaut", "x" * 101, "a\\b"])
def test_a_model_that_is_no_word_is_another(model: str) -> None:
    told = parse_report(repr(RunReport("completed", 1, None, LlmUse(model, 1, 2, 0.1)).encode()))
    assert told is not None
    assert told.llm == LlmUse(names.OTHER, 1, 2, 0.1)


def test_models_are_counted_and_few_of_them_named() -> None:
    settings = Settings.from_env({"LLM_PRICES": "gpt-4=30/60, local=0/0"})
    metrics = WorkerMetrics(settings, "worker@here")
    for number in range(100):
        use = LlmUse(f"model-{number}", 1000, 100, 0.5)
        metrics.ended("pinnokio.llm_conversation", "llm", RunReport("completed", 1, None, use), 1.0)
    metrics.ended("n", "llm", RunReport("completed", 1, None, LlmUse("gpt-4", 100_000, 50_000, 0.5)), 1.0)
    read = metrics.registry.get_sample_value
    assert read(names.LLM_TOKENS, {"model": "model-0", "kind": names.PROMPT}) == 1000
    assert read(names.LLM_TOKENS, {"model": names.OTHER, "kind": names.COMPLETION}) == 8000
    assert read(names.LLM_COST, {"model": "gpt-4"}) == 6
    assert read(names.LLM_COST, {"model": "model-0"}) is None
    assert read(f"{names.LLM_FIRST_TOKEN}_count", {"model": names.OTHER}) == 80


def test_prices_are_read() -> None:
    prices = Settings.from_env({"LLM_PRICES": "gpt-4=30/60,local=0/0.5"}).llm_prices
    assert prices == {"gpt-4": LlmPrice(30, 60), "local": LlmPrice(0, 0.5)}
    assert Settings.from_env({}).llm_prices == {}


@pytest.mark.parametrize("text", ["gpt-4=30", "gpt-4=-1/2", "gpt-4=a/b", "gpt-4=inf/1", "gpt-4=nan/1"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="LLM_PRICES takes model=prompt/completion"):
        Settings.from_env({"LLM_PRICES": text})
