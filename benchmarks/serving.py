"""The server that a benchmark measures, as a process of its own on the benchmark's Valkey, and what it costs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

START_S: Final = 20.0
API_PORT: Final = 18_090
VALKEY_PORT: Final = int(os.environ.get("BENCH_VALKEY_PORT", "18379"))


@contextmanager
def serving(module: list[str], environ: dict[str, str]) -> Iterator[int]:
    """The server as a process of its own; its id."""
    own = {"PORT": str(API_PORT), "LISTENERS_REDIS_PORT": str(VALKEY_PORT), "FLAG_FILE": "/nonexistent", **environ}
    process = subprocess.Popen(
        [sys.executable, "-m", *module], env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        asyncio.run(until_open())
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def until_open() -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", API_PORT)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return


def read_cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_run_s(pid: int) -> float:
    """The same to the nanosecond, of the threads that live: for slices that are a few ticks of the clock long."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def read_status(pid: int, name: str) -> int:
    """`Threads`, or `VmRSS` in KiB, of a process now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)
