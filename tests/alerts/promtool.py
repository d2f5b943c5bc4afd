"""Runs promtool on the rules of the chart. It is in Debian's package `prometheus`, installed where that can be."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.model import REPOSITORY, ClusterError
from tests.cluster.packages import apt_is_there, ensure_packages
from tests.missing import end_test_without

RULES: Final = REPOSITORY / "charts" / "pinnokio" / "files" / "alerts.yaml"
DEADLINE_S: Final = 120.0
_PACKAGE: Final = {"prometheus": "/usr/bin/promtool"}


def run_promtool(*arguments: str | Path) -> str:
    """What it printed; fails the test with it where promtool refuses."""
    result = subprocess.run(
        [_find_promtool(), *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return said


def _find_promtool() -> str:
    # Tests that run side by side would be in each other's way in apt: the first one installs.
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        promtool = shutil.which("promtool")
        if promtool is None and apt_is_there() and os.geteuid() == 0:
            try:
                ensure_packages(_PACKAGE)
            except ClusterError as error:
                end_test_without(f"promtool: {error}")
            promtool = shutil.which("promtool")
    if promtool is None:
        end_test_without("promtool: apt-get install prometheus")
    return promtool
