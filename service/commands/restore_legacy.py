"""`python -m service restore-legacy`: copies live users of the unified registry back into the legacy one.

For the way back after `legacy_writes` was off: turn legacy writes on, run this, then turn the flag off. It can be
interrupted at any time and goes on where it was; running it twice changes nothing more.
"""

import argparse
import asyncio
import sys
from typing import Final, TextIO

from contract.restoring import RestoreProgress
from service.settings import Settings
from service.store.client import connect
from service.store.flag import FlagSource
from service.store.lane import Lane
from service.store.restoring import LegacyRestore
from service.store.sampling import scan_keys

DONE: Final = 0
# Users a second. Valkey serves a hundred times that; the requests of the others come first.
RATE: Final = 500
BAR: Final = 30
# Users of one round trip and of one pause: a tenth of a second at the default rate.
BATCH: Final = 50

LEGACY_WRITES_OFF: Final = (
    "warning: the flag is on and legacy writes are off: who registers while this runs is not copied;\n"
    "         set spec.unifiedRegistry.legacyWrites to true first\n"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=_rate, default=RATE, help="most users a second (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="from the beginning, not where the last run stopped")


def run(settings: Settings, options: argparse.Namespace) -> int:
    asyncio.run(restore(settings, options.rate, restart=options.restart, out=sys.stderr))
    return DONE


async def restore(settings: Settings, rate: float, *, restart: bool = False, out: TextIO) -> RestoreProgress:
    """`rate`: users a second. Raises redis-py's errors; what was copied until then stays and is not done again."""
    valkey, lane = connect(settings.valkey), Lane(settings.valkey)
    try:
        flag = FlagSource(valkey, settings)
        await flag.read_once()
        if flag.document.enabled and not flag.document.legacy_writes:
            out.write(LEGACY_WRITES_OFF)
        work = LegacyRestore(lane)
        if restart:
            await work.forget_progress()
        progress = await _copy(lane, work, rate, _Bar(out))
        await work.forget_progress()
    finally:
        await lane.close()
        await valkey.aclose()
    out.write(f"{progress.live:,} live users, {progress.restored:,} legacy entries written\n")
    return progress


async def _copy(lane: Lane, work: LegacyRestore, rate: float, bar: "_Bar") -> RestoreProgress:
    progress = await work.read_progress()
    if progress.scanned:
        bar.say(f"going on where the last run stopped: {progress.scanned:,} keys scanned")
    bar.show(progress, await work.count_keys())
    async for cursor, found in scan_keys(lane, progress.cursor.encode()):
        live, restored = progress.live, progress.restored
        for start in range(0, len(found), BATCH):
            step = await work.restore(found[start : start + BATCH])
            live, restored = live + step.live, restored + step.written
            if step.live:
                await asyncio.sleep(step.live / rate)
        scanned = progress.scanned + len(found)
        progress = RestoreProgress(
            server=progress.server, cursor=cursor.decode(), scanned=scanned, live=live, restored=restored
        )
        await work.write_progress(progress)
        # Counted anew: what this writes are keys too.
        bar.show(progress, await work.count_keys())
    bar.show(progress, progress.scanned)
    bar.end()
    return progress


class _Bar:
    """On a terminal one line that grows; elsewhere, in a Job's log, a line each tenth."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._tenth = -1

    def say(self, text: str) -> None:
        self._out.write(f"{text}\n")

    def show(self, progress: RestoreProgress, total: int) -> None:
        share = min(1.0, progress.scanned / total) if total else 1.0
        figures = f"{share:4.0%} {progress.scanned:,} keys, {progress.live:,} live users, {progress.restored:,} written"
        if self._is_terminal:
            filled = round(share * BAR)
            self._out.write(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {figures}\x1b[K")
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            self._out.write(f"{figures}\n")
        self._out.flush()

    def end(self) -> None:
        if self._is_terminal:
            self._out.write("\n")


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1_000_000:
        raise ValueError(text)
    return number
