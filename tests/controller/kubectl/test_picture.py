"""The picture, line by line; and that what it shows is what the operator writes."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from controller.kubectl.picture import describe_span, draw, draw_bar, to_ascii
from controller.kubectl.view import View, read_view
from controller.model.rollout_status import (
    CohortFigures,
    FailedRollout,
    LegacyState,
    LegacyStatus,
    RolloutFigures,
    RolloutPhase,
    RolloutStatus,
)
from controller.model.status import ComponentStatus, Condition, FlagStatus, QueueStatus, Status, Summary
from tests.cluster.model import REPOSITORY
from tests.controller.kubectl.services import NOW, build_queue, build_service

WHOLE = """\
pinnokio/sample · Ready · 0.1.0
Flag      ███████████████░░░░░░░░░░░░░░░ 50 %   revision 7, acknowledged by 3 of 3 pods
Rollout   step 3 of 5 · Analysing · 4 min 10 s left of the interval
          ●──●──◉──○──○
                                  on             off
          calls                1,204           1,310
          errors          0.25 % (3)      0.08 % (1)
          p99                  84 ms           80 ms
          fallbacks                0
          until 2026-11-22T12:04:10.000Z: on 1204 calls
Queues    QUEUE        WAITING  RUNNING/SLOTS  WORKERS  WHY
          default            0            0/4      2/2  why
          computation       12            4/4      2/2  why (2 handed out and not running)
Parts     api 1/1, beat 1/1, valkey 1/1"""


def test_the_whole_picture() -> None:
    assert "\n".join(draw(read_view(build_service()), NOW)) == WHOLE


@pytest.mark.parametrize(
    ("service", "line"),
    [
        ({"summary": {"flag": "off"}}, f"Flag      {'░' * 30} 0 %   revision 7, acknowledged by 3 of 3 pods"),
        ({"summary": {"flag": "on"}}, f"Flag      {'█' * 30} 100 %   revision 7, acknowledged by 3 of 3 pods"),
        ({"summary": {"flag": "0.5%"}}, f"Flag      █{'░' * 29} 0.5 %   revision 7, acknowledged by 3 of 3 pods"),
        (
            {"summary": {"flag": "audience"}},
            "Flag      named users and companies   revision 7, acknowledged by 3 of 3 pods",
        ),
        (
            {"flag": {"revision": 8, "published": True, "pods": 3}},
            f"Flag      {'█' * 15}{'░' * 15} 50 %   revision 8, acknowledgements not known",
        ),
        (
            {"flag": {"revision": 8, "published": False, "acknowledged": 1, "pods": 3}},
            f"Flag      {'█' * 15}{'░' * 15} 50 %   revision 8, not in Valkey yet",
        ),
        ({"rollout": {"phase": "Direct", "step": 0, "steps": 0, "nextAt": None}}, "Rollout   Direct"),
        ({"rollout": {"phase": "Complete", "step": 5, "nextAt": None}}, "          ●──●──●──●──●"),
        ({"rollout": {"phase": "RollingBack", "step": 0, "nextAt": None}}, "          ○──○──○──○──○"),
        ({"rollout": {"nextAt": "2026-11-22T11:00:00Z"}}, "Rollout   step 3 of 5 · Analysing"),
        ({"rollout": {"nextAt": "soon"}}, "Rollout   step 3 of 5 · Analysing"),
        (
            {"rollout": {"failed": {"step": 4, "message": "p99 900 ms against 80 ms", "at": "2026-11-22T11:59:00Z"}}},
            "          ✗ went back at step 4: p99 900 ms against 80 ms (2026-11-22T11:59:00Z)",
        ),
        (
            {"rollout": {"figures": {"on": {"calls": 0, "errors": 0}, "off": {"calls": 5, "errors": 0}}}},
            "          errors                   -      0.00 % (0)",
        ),
        (
            {"rollout": {"legacy": {"state": "Restoring", "message": "copies live users back"}}},
            "Legacy    Restoring · copies live users back",
        ),
        (
            {"annotations": {"pinnokio.io/paused": "true"}},
            "Held      everything: nothing is reconciled (kubectl pinnokio resume --everything)",
        ),
        (
            {"annotations": {"pinnokio.io/scaling-paused": "in"}},
            "Held      scaling in (kubectl pinnokio resume --scaling)",
        ),
        (
            {"annotations": {"pinnokio.io/rollout-paused": "true"}},
            "          paused by annotation: no step begins by itself",
        ),
        (
            {"queues": [build_queue("llm", waiting=None, inFlight=None, unacked=None)]},
            "          llm          ?            ?/4      2/2  why",
        ),
        (
            {"conditions": [{"type": "Degraded", "status": "True", "reason": "ErrImagePull", "message": "gone"}]},
            "Look at   ✗ Degraded True (ErrImagePull): gone",
        ),
        ({"observedGeneration": 2}, "pinnokio/sample · Ready · 0.1.0 · the newest spec is not acted on yet"),
        ({"flag": None, "summary": None}, "Flag      not known: the spec cannot be acted on"),
        (
            {"rollout": {"message": "\x1b[2Jgone\nSpec: fine"}},
            "          [2JgoneSpec: fine",
        ),
    ],
    ids=[
        "off", "on", "a little", "named ones", "acknowledgements unknown", "not published", "direct", "complete",
        "rolled back", "the interval is over", "a time that is none", "failed", "nothing of nothing", "legacy",
        "all held", "scaling held", "rollout held", "a queue that cannot be read", "degraded", "stale", "invalid spec",
        "control characters",
    ],
)  # fmt: skip
def test_lines_of_the_picture(service: dict[str, Any], line: str) -> None:
    assert line in draw(read_view(build_service(**service)), NOW)


def test_a_service_that_nobody_looked_at() -> None:
    view = read_view({"metadata": {"name": "new", "namespace": "place", "generation": 1}})
    assert draw(view, NOW) == [
        "place/new · Unknown",
        "Status    none yet: the operator has not looked at it; is it running?",
    ]


def test_an_older_operator_tells_less() -> None:
    old = build_service()
    for part in ("rollout", "flag", "queues", "components", "conditions"):
        del old["status"][part]
    lines = draw(read_view(old), NOW)
    assert lines[0] == "pinnokio/sample · Ready · 0.1.0"
    assert not any(line.startswith(("Rollout", "Queues", "Parts", "Look at")) for line in lines)


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_long_words_are_wrapped_to_the_terminal(width: int) -> None:
    service = build_service({"message": "words " * 60})
    assert max(len(line) for line in draw(read_view(service), NOW, width)) <= max(width, 60)


def test_why_is_wrapped_in_its_own_column() -> None:
    queue = build_queue("llm") | {"message": "one two three four five six seven eight nine ten"}
    lines = draw(read_view(build_service(queues=[queue])), NOW, 80)
    place = next(number for number, line in enumerate(lines) if "WHY" in line)
    why = [line[lines[place].index("WHY") :] for line in lines[place + 1 : place + 3]]
    assert why == ["one two three four five six", "seven eight nine ten"]


def test_a_terminal_of_ascii() -> None:
    lines = [to_ascii(line) for line in draw(read_view(build_service()), NOW)]
    assert "###############..............." in lines[1]
    assert all(line.isascii() for line in lines)


@pytest.mark.parametrize(("percent", "full"), [(0, 0), (0.01, 1), (50, 5), (99.9, 9), (100, 10)])
def test_the_bar(percent: float, full: int) -> None:
    assert draw_bar(percent, 10) == "█" * full + "░" * (10 - full)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (3, "3 s"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (180_000, "2 d 2 h"),
        (-5, "0 s"),
    ],
)
def test_spans(seconds: int, words: str) -> None:
    assert describe_span(timedelta(seconds=seconds)) == words


def test_it_reads_what_the_operator_writes() -> None:
    """A field renamed in the model leaves a hole here."""
    cohort = CohortFigures(calls=10, errors=1, p99_milliseconds=5)
    status = Status(
        observed_generation=1,
        phase="Ready",
        conditions=(
            Condition(
                type="Ready",
                status="True",
                reason="R",
                message="m",
                last_transition_time="2026-11-22T11:00:00Z",
                observed_generation=1,
            ),
        ),
        components=(ComponentStatus(name="api", desired=1, ready=1, updated=1),),
        queues=(
            QueueStatus(
                name="q", desired=1, ready=1, updated=1, concurrency=1, waiting=1, in_flight=1, unacked=1, message="m"
            ),
        ),
        flag=FlagStatus(revision=1, enabled=True, published=True, acknowledged=1, pods=1),
        rollout=RolloutStatus(
            phase=RolloutPhase.ANALYSING,
            step=1,
            steps=2,
            message="m",
            since="2026-11-22T11:00:00Z",
            next_at="2026-11-22T13:00:00Z",
            figures=RolloutFigures(on=cohort, off=cohort, fallbacks=1),
            failed=FailedRollout(spec_hash="h", step=1, reason="r", message="m", at="2026-11-22T11:00:00Z"),
            legacy=LegacyStatus(state=LegacyState.DRIFTED, message="m"),
            handled_promote="p",
            handled_rollback="r",
        ),
        summary=Summary(api="1/1", queues="1/1", flag="on", version="1"),
    )
    annotations = {f"pinnokio.io/{name}": "true" for name in ("paused", "rollout-paused", "scaling-paused")}
    meta = {"name": "n", "namespace": "p", "generation": 1, "annotations": annotations}
    view = read_view({"metadata": meta, "status": status.as_json()})
    assert _holes(view) == []


def _holes(value: Any, path: str = "view") -> list[str]:
    if hasattr(value, "__dataclass_fields__"):
        return [hole for name in value.__dataclass_fields__ for hole in _holes(getattr(value, name), f"{path}.{name}")]
    if isinstance(value, list):
        return [path] if not value else [hole for each in value for hole in _holes(each, f"{path}[]")]
    return [path] if value in (None, "", False) else []


def test_it_runs_where_nothing_is_installed() -> None:
    """Standard library only: -S leaves site-packages out."""
    command = [sys.executable, "-S", "-I", str(REPOSITORY / "bin" / "kubectl-pinnokio"), "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "rollback" in result.stdout


def test_a_view_is_what_the_picture_needs() -> None:
    assert isinstance(read_view({}), View)
