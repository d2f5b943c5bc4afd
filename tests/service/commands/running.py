"""Runs `python -m service COMMAND` as an operator does: a process of its own, with an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.service.valkey_server import RunningValkey

LIMIT_S = 60


def command(valkey: RunningValkey, *arguments: str, **environ: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment."""
    own = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "LISTENERS_REDIS_PORT": str(valkey.port),
        "LISTENERS_REDIS_PASSWORD": valkey.password or "",
        "FLAG_FILE": "/nonexistent/flag.json",
        "UNIFIED_REGISTRY_ENABLED": "true",
        **environ,
    }
    return [sys.executable, "-m", "service", *arguments], own


def run(valkey: RunningValkey, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    line, own = command(valkey, *arguments, **environ)
    return subprocess.run(line, env=own, capture_output=True, text=True, timeout=LIMIT_S)
