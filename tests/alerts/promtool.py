"""Runs promtool on the chart's rules. Debian has it in the package `prometheus`."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.model import REPOSITORY
from tests.missing import end_test_without

RULES: Final = REPOSITORY / "charts" / "pinnokio" / "files" / "alerts.yaml"
DEADLINE_S: Final = 120.0


def run_promtool(*arguments: str | Path) -> str:
    """What it printed; fails the test with it where promtool refuses."""
    promtool = shutil.which("promtool")
    if promtool is None:
        end_test_without("promtool: apt-get install prometheus")
    result = subprocess.run(
        [promtool, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return said
