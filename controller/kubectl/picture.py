"""Draws a PinnokioService as text: the flag as a bar, the steps, both cohorts, queues, and what is not as it should be.

Pure: a View, the time and the width of the terminal in; lines out. `to_ascii` is for terminals that know no more.
"""

import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from controller.kubectl.view import Cohort, Queue, Rollout, View

BAR_WIDTH: Final = 30
_INDENT: Final = 10
_WIDTH_MIN: Final = 60
_WHY_MIN: Final = 20
# What each condition should be; where it is not, its message is shown.
_WISHED: Final = {"Ready": "True", "Progressing": "False", "Degraded": "False", "Paused": "False"}
_ASCII: Final = str.maketrans("█░●◉○─✗·→…", "#.ooO-!-> ")


def draw(view: View, now: datetime, width: int = 100) -> list[str]:
    """The whole picture."""
    width = max(width, _WIDTH_MIN)
    lines = [_draw_title(view)]
    if view.phase is None:
        return [*lines, *_block("Status", ["none yet: the operator has not looked at it; is it running?"], width)]
    lines += _block("Flag", _draw_flag(view), width)
    if view.rollout is not None:
        lines += _block("Rollout", _draw_rollout(view, view.rollout, now), width)
        lines += _block("Legacy", _draw_legacy(view.rollout), width)
    lines += _block("Queues", _draw_queues(view.queues, width - _INDENT), width)
    parts = ", ".join(f"{name} {ready}/{desired}" for name, ready, desired in view.components)
    lines += _block("Parts", [parts] if parts else [], width)
    lines += _block("Held", _draw_holds(view), width)
    return [*lines, *_block("Look at", _draw_conditions(view), width)]


def to_ascii(line: str) -> str:
    return line.translate(_ASCII).encode("ascii", "replace").decode()


def draw_bar(percent: float, width: int = BAR_WIDTH) -> str:
    """Full only at 100, and never empty above 0."""
    full = int(percent / 100 * width)
    full = max(full, 1) if percent > 0 else 0
    return "█" * full + "░" * (width - full)


def _draw_title(view: View) -> str:
    stale = view.observed_generation is not None and view.observed_generation != view.generation
    words = [f"{view.namespace}/{view.name}", view.phase or "Unknown", *([view.version] if view.version else [])]
    return " · ".join([*words, *(["the newest spec is not acted on yet"] if stale else [])])


def _draw_flag(view: View) -> list[str]:
    if view.flag is None:
        return ["not known: the spec cannot be acted on"]
    shares = {"off": 0.0, "on": 100.0}
    share = shares.get(view.flag)
    if share is None and view.flag.endswith("%"):
        share = float(view.flag[:-1])
    bar = "named users and companies" if share is None else f"{draw_bar(share)} {share:g} %"
    return [f"{bar}   revision {view.revision}, {describe_acknowledgements(view)}"]


def describe_acknowledgements(view: View) -> str:
    if not view.published:
        return "not in Valkey yet"
    if view.acknowledged is None:
        return "acknowledgements not known"
    return f"acknowledged by {view.acknowledged} of {view.pods or 0} pods"


def _draw_rollout(view: View, rollout: Rollout, now: datetime) -> list[str]:
    lines = [describe_rollout(rollout, now)]
    if rollout.steps:
        lines.append(_draw_steps(rollout))
    if rollout.on is not None and rollout.off is not None:
        lines += _draw_cohorts(rollout.on, rollout.off, rollout.fallbacks)
    if rollout.failed:
        lines.append(f"✗ went back at {rollout.failed}")
    elif rollout.message:
        lines.append(rollout.message)
    if view.rollout_paused and rollout.phase != "Paused":
        lines.append("paused by annotation: no step begins by itself")
    return lines


def describe_rollout(rollout: Rollout, now: datetime) -> str:
    where = f"step {rollout.step} of {rollout.steps} · " if rollout.steps else ""
    left = _time_left(rollout.next_at, now)
    return f"{where}{rollout.phase}" + (f" · {left} left of the interval" if left else "")


def _draw_steps(rollout: Rollout) -> str:
    marks = ["●" if place < rollout.step else "○" for place in range(1, rollout.steps + 1)]
    if 0 < rollout.step <= rollout.steps:
        marks[rollout.step - 1] = "●" if rollout.phase == "Complete" else "◉"
    return "──".join(marks)


def _draw_cohorts(on: Cohort, off: Cohort, fallbacks: int | None) -> list[str]:
    rows = [
        ("", "on", "off"),
        ("calls", f"{on.calls:,}", f"{off.calls:,}"),
        ("errors", _share(on), _share(off)),
        ("p99", _ms(on.p99_ms), _ms(off.p99_ms)),
        ("fallbacks", "?" if fallbacks is None else f"{fallbacks:,}", ""),
    ]
    return [f"{title:<10}{left:>16}{right:>16}".rstrip() for title, left, right in rows]


def _share(cohort: Cohort) -> str:
    """`0.25 % (3)`; nothing of nothing is no share."""
    return f"{cohort.errors / cohort.calls:.2%} ({cohort.errors:,})".replace("%", " %") if cohort.calls else "-"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value:,} ms"


def _draw_legacy(rollout: Rollout) -> list[str]:
    """Shown where it is more than written as ever."""
    if rollout.legacy_state in ("", "Written") and not rollout.legacy_message:
        return []
    return [" · ".join(word for word in (rollout.legacy_state, rollout.legacy_message) if word)]


def _draw_queues(queues: Sequence[Queue], width: int) -> list[str]:
    """A table; `RUNNING` of the slots of ready workers; why that many, wrapped in its own column."""
    if not queues:
        return []
    size = max(len("QUEUE"), *(len(queue.name) for queue in queues))
    lines = [f"{'QUEUE':<{size}}  WAITING  RUNNING/SLOTS  WORKERS  WHY"]
    margin = lines[0].index("WHY")
    for queue in queues:
        running = f"{_known(queue.in_flight)}/{queue.ready * queue.concurrency}"
        held = (queue.unacked or 0) - (queue.in_flight or 0)
        why = queue.message + (f" ({held} handed out and not running)" if held > 0 else "")
        workers = f"{queue.ready}/{queue.desired}"
        told = textwrap.wrap(why, max(width - margin, _WHY_MIN)) or [""]
        lines.append(
            f"{queue.name:<{size}}  {_known(queue.waiting):>7}  {running:>13}  {workers:>7}  {told[0]}".rstrip()
        )
        lines += [" " * margin + line for line in told[1:]]
    return lines


def _known(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _draw_holds(view: View) -> list[str]:
    holds = ["everything: nothing is reconciled (kubectl pinnokio resume --everything)"] if view.paused else []
    if view.scaling_paused:
        holds.append(f"scaling {view.scaling_paused} (kubectl pinnokio resume --scaling)")
    return [*holds, *(["the rollout (kubectl pinnokio resume)"] if view.rollout_paused else [])]


def _draw_conditions(view: View) -> list[str]:
    wrong = [each for each in view.conditions if each.status != _WISHED.get(each.type, each.status)]
    return [f"✗ {each.type} {each.status} ({each.reason}): {each.message}" for each in wrong]


def _time_left(until: str | None, now: datetime) -> str:
    if until is None:
        return ""
    try:
        left = datetime.fromisoformat(until) - now
    except (ValueError, TypeError):
        return ""
    return describe_span(left) if left > timedelta() else ""


def describe_span(span: timedelta) -> str:
    """The two largest units: `2 h 5 min`, `4 min 10 s`, `3 s`."""
    seconds = max(int(span.total_seconds()), 0)
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _block(title: str, lines: Sequence[str], width: int) -> list[str]:
    """The title in the margin, long lines wrapped beside it; nothing where there are no lines."""
    shown: list[str] = []
    for line in lines:
        # The spaces of a table stay as they are.
        lead = len(line) - len(line.lstrip())
        wrapped = textwrap.wrap(
            line, width - _INDENT, drop_whitespace=True, replace_whitespace=False, subsequent_indent=" " * lead
        )
        shown += wrapped or [""]
    return [f"{title if place == 0 else '':<{_INDENT}}{line}".rstrip() for place, line in enumerate(shown)]
