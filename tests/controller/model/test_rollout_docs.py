"""What docs/operations.md says of the rollout: its YAML is taken, its words are the operator's."""

import re

import pytest
import yaml

from contract import kubernetes, metrics
from controller.model.rollout import UnifiedRegistry
from controller.model.rollout_status import LegacyState, RolloutPhase
from tests.cluster.model import REPOSITORY

TEXT = (REPOSITORY / "docs" / "operations.md").read_text()
SECTION = TEXT.partition("## Rolling out the unified registry")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```yaml\n(.*?)```", SECTION, flags=re.DOTALL)
EVENTS = (REPOSITORY / "controller" / "plan" / "rollout_events.py").read_text()


@pytest.mark.parametrize("text", BLOCKS, ids=[f"YAML {number}" for number in range(len(BLOCKS))])
def test_each_yaml_says_something_that_the_model_knows(text: str) -> None:
    said = yaml.safe_load(text)["spec"]["unifiedRegistry"]
    registry = UnifiedRegistry.model_validate(said)
    kept = registry.model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert kept == said


def test_there_is_a_yaml_for_each_step_of_the_procedure() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("word", [*RolloutPhase, *LegacyState])
def test_every_phase_and_state_is_explained(word: str) -> None:
    assert f"`{word}`" in SECTION


def test_every_event_is_listed_and_no_other() -> None:
    table = SECTION.partition("| Event | says |")[2].partition("\n\n")[0]
    listed = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    written = set(re.findall(r'"((?:Step|Roll|Legacy|Promote)[A-Z]?[a-zA-Z]+)"', EVENTS))
    assert listed - {"FlagPublished"} == written


@pytest.mark.parametrize(
    "name",
    [
        kubernetes.ANNOTATION_PROMOTE,
        kubernetes.ANNOTATION_ROLLBACK,
        kubernetes.ANNOTATION_ROLLOUT_PAUSED,
        kubernetes.PROMOTE_ALL,
        kubernetes.ROLLBACK_PREVIOUS,
        kubernetes.ROLLBACK_FORCE,
        metrics.OPERATOR_FLAG_PERCENT,
        metrics.OPERATOR_FLAG_ACKNOWLEDGED,
        metrics.OPERATOR_ROLLOUT_PHASE,
        metrics.OPERATOR_ROLLOUT_STEP,
        *metrics.FAILURE_CODES,
    ],
)
def test_every_name_is_told(name: str) -> None:
    assert name in SECTION
