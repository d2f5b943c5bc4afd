"""Runs promtool on the rules of the chart."""

import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.model import REPOSITORY
from tests.debian import find_program

RULES: Final = REPOSITORY / "charts" / "pinnokio" / "files" / "alerts.yaml"
DEADLINE_S: Final = 120.0


def run_promtool(*arguments: str | Path) -> str:
    """What it printed; fails the test with it where promtool refuses."""
    result = subprocess.run(
        [find_program("promtool", "prometheus"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return said
