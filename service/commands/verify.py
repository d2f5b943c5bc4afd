"""`python -m service verify`: compares both registries on a random sample, or on everybody, and lists what drifted."""

import argparse
import asyncio
import random
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Final, TextIO

from contract import exit_codes
from service.domain.drift import Drift, Outcome
from service.rpc.dual_write import DualWrite
from service.rpc.user_companies import UserCompanies
from service.settings import Settings
from service.store.client import connect
from service.store.comparing import SECOND_LOOK_S, compare_sample
from service.store.flag import FlagSource
from service.store.lane import Lane
from service.store.sampling import Sample, draw_sample
from service.store.unified import UnifiedRegistry

NO_DRIFT: Final = 0
SAMPLE: Final = 1_000
LISTED: Final = 100
MOST_CHARS: Final = 40

_OUTCOMES: Final[dict[Outcome, str]] = {
    "agrees": "agree",
    "waits_for_first_touch": "legacy only: copied at their first touch",
    "not_written_to_legacy": "unified only: legacy writes are off",
    "legacy_has_ended": "unified only: the legacy entry's day is over",
    "gone": "gone meanwhile",
    "drifts": "DRIFT",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. `off`: users for whom the flag is off, who are not compared."""

    sample: Sample
    off: int
    outcomes: "Counter[Outcome]"
    drifts: tuple[Drift, ...]

    @property
    def exit_code(self) -> int:
        return exit_codes.DRIFT if self.drifts else NO_DRIFT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", type=_count, default=SAMPLE, help="users of each registry (default: %(default)s)")
    size.add_argument("--all", action="store_true", help="everybody")
    parser.add_argument("--list", type=_count, default=LISTED, help="most rows of drift shown (default: %(default)s)")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0: no drift; DRIFT: drift."""
    report = asyncio.run(verify(settings, None if options.all else options.sample))
    write_report(report, options.list, sys.stdout)
    return report.exit_code


async def verify(settings: Settings, size: int | None, *, second_look_s: float = SECOND_LOOK_S) -> Report:
    """`size`: users of each registry, None: all. Raises redis-py's errors."""
    valkey, lane = connect(settings.valkey), Lane(settings.valkey)
    try:
        flag = FlagSource(valkey, settings)
        await flag.read_once()
        unified = UnifiedRegistry(lane)
        dual = DualWrite(flag, unified, UserCompanies(unified))
        sample = await draw_sample(lane, size, random.Random())  # noqa: S311 - a sample, no secret
        compared = await compare_sample(
            lane, sample, dual.is_on, writes_legacy=dual.writes_legacy, second_look_s=second_look_s
        )
    finally:
        await lane.close()
        await valkey.aclose()
    comparisons = compared.users.values()
    drifts = tuple(drift for comparison in comparisons for drift in comparison.drifts)
    return Report(sample, compared.off, Counter(comparison.outcome for comparison in comparisons), drifts)


def write_report(report: Report, listed: int, out: TextIO) -> None:
    sample = report.sample
    out.write(f"{'legacy users':<46}{sample.legacy:>10,}\n{'unified users':<46}{sample.unified:>10,}\n")
    out.write(f"{'users looked at':<46}{len(sample.users):>10,}\n{'  flag off: not compared':<46}{report.off:>10,}\n")
    for outcome, text in _OUTCOMES.items():
        if count := report.outcomes[outcome]:
            out.write(f"  {text:<44}{count:>10,}\n")
    if not report.drifts:
        out.write("\nno drift\n")
        return
    out.write("\n" + _row("user", "what differs", "legacy", "unified"))
    out.writelines(_row(drift.user_id, drift.kind, drift.legacy, drift.unified) for drift in report.drifts[:listed])
    if len(report.drifts) > listed:
        out.write(f"… and {len(report.drifts) - listed:,} more (--list)\n")


def _row(*words: str) -> str:
    """One line whatever the words hold: an old service's ids were not checked."""
    cells = [_shown(word).ljust(width) for word, width in zip(words, (30, 20, 34, 34), strict=True)]
    return " ".join(cells).rstrip() + "\n"


def _shown(word: str) -> str:
    plain = "".join(char if char.isprintable() else "?" for char in word) or "-"
    return plain if len(plain) <= MOST_CHARS else plain[: MOST_CHARS - 1] + "…"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
