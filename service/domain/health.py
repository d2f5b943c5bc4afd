"""What a health check found, and how it is told: a report a dependency, of the last check that a worker made."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

OK: Final = "ok"
ERROR: Final = "error"
# Not configured: nothing to answer, and nothing wrong.
DISABLED: Final = "disabled"
# It is configured, and nobody has asked it yet, or not lately.
SKIPPED: Final = "skipped"
# Three checks of a minute each were missed.
OLD_S: Final = 200.0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one dependency answered. `latency_ms`: only where it did; `error`: only where it did not."""

    status: str
    latency_ms: float | None = None
    error: str | None = None


class HealthCheck(msgspec.Struct, frozen=True):
    """A check of all. `checked_at`: seconds since 1970; `worker`: who asked."""

    checked_at: float
    worker: str
    dependencies: dict[str, Answer]


def choose_answers(check: HealthCheck | None, now: float) -> dict[str, Answer]:
    """By dependency, those of a check that is still true. None of a check that is missing or old; what is not
    configured is left out. Example: Chroma answered 20 s ago, OpenAI is not configured → Chroma's alone.
    """
    if check is None or now - check.checked_at > OLD_S:
        return {}
    return {name: answer for name, answer in check.dependencies.items() if answer.status in (OK, ERROR)}


def build_report(check: HealthCheck | None, now: float, is_configured: Mapping[str, bool]) -> dict[str, Any]:
    """The parts `chroma`, `openai` and `health_check` of /debug.

    Cases of a dependency in order: not configured → disabled; no check, or an old one → skipped, and why; else what the
    check found. Example: a worker asked Chroma 20 s ago → `{"status": "ok", "latency_ms": 3.1, "age_s": 20}`.
    """
    age_s = None if check is None else max(0.0, now - check.checked_at)
    report: dict[str, Any] = {
        name: _build_part(check, age_s, name) if is_configured[name] else {"status": DISABLED} for name in is_configured
    }
    seen = None if check is None else {name: msgspec.to_builtins(each) for name, each in check.dependencies.items()}
    report["health_check"] = {
        "status": SKIPPED if check is None else ERROR if age_s is None or age_s > OLD_S else OK,
        "age_s": None if age_s is None else round(age_s),
        "worker": check.worker if check else None,
        "dependencies": seen or {},
    }
    return report


def _build_part(check: HealthCheck | None, age_s: float | None, name: str) -> dict[str, Any]:
    answer = check.dependencies.get(name) if check else None
    if answer is None or age_s is None:
        return {"status": SKIPPED, "error": "no worker has checked it yet"}
    if age_s > OLD_S:
        return {"status": SKIPPED, "error": f"no worker has checked it for {round(age_s)} s: do beat and workers run?"}
    return {**msgspec.to_builtins(answer), "age_s": round(age_s)}
