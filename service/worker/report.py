"""What a child tells its parent of a run, for the figures: words in its answer, which Celery hands over as a `repr`.

The parent counts, for it lives as long as the worker: a child is replaced now and then, and its counts would be lost.
"""

import re
from dataclasses import dataclass
from typing import Final

from contract.metrics import OTHER
from service.domain.conversation import LlmUse

_NONE: Final = "-"
# Whatever else a caller calls a model must not break the words apart, nor be a label.
_MODEL: Final = re.compile(r"[\w./:@+-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunReport:
    """`status`: how the run ended here; None: the message had no effect. `attempt`: from 1; `exception`: of a failed
    run, the class of what ended it."""

    status: str | None
    attempt: int = 1
    exception: str | None = None
    llm: LlmUse | None = None

    def encode(self) -> str:
        words = [self.status or _NONE, str(self.attempt), self.exception or _NONE]
        if self.llm is not None:
            use = self.llm
            model = use.model if _MODEL.fullmatch(use.model) else OTHER
            words += [model, str(use.prompt_tokens), str(use.completion_tokens)]
            words.append(_NONE if use.first_token_s is None else f"{use.first_token_s:.3f}")
        return " ".join(words)


def parse_report(answer: object) -> RunReport | None:
    """Reads the `repr` of what `encode` made; None: a chore's answer, which is none."""
    if not isinstance(answer, str) or not answer.startswith("'"):
        return None
    status, attempt, exception, *llm = answer.strip("'").split(" ")
    return RunReport(
        None if status == _NONE else status,
        int(attempt),
        None if exception == _NONE else exception,
        _parse_llm(*llm) if llm else None,
    )


def _parse_llm(model: str, prompt: str, completion: str, first_token_s: str) -> LlmUse:
    return LlmUse(model, int(prompt), int(completion), None if first_token_s == _NONE else float(first_token_s))
