"""The calls and answers that docs/tasks.md shows are what the service takes and gives."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.domain.transformation import transform
from tests.service.application import Api

DOCUMENT = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text()


def shown(section: str) -> list[Any]:
    """The JSON blocks of a section; `…` stands for what is left out."""
    _, _, text = DOCUMENT.partition(f"\n## {section}\n")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)]


@pytest.mark.parametrize("section", ["vector_embeddings", "report_generation", "data_transformation", "ml_analysis"])
async def test_a_call_that_is_shown_starts_its_task(api_on: Api, section: str) -> None:
    call = shown(section)[0]
    answer = await api_on.data(call["method"], *call["args"])
    assert answer["success"] is True
    assert answer["task_id"].startswith(section.replace("vector_embeddings", "embeddings_invoices"))


def test_the_transformation_that_is_shown_is_what_is_made() -> None:
    call, result = shown("data_transformation")
    assert transform(*call["args"][1:]) == result
