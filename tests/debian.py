"""Programs of Debian's packages that a test needs: found, else installed where that can be, else the test ends."""

import fcntl
import os
import shutil
from pathlib import Path

from tests.cluster.model import ClusterError
from tests.cluster.packages import apt_is_there, ensure_packages
from tests.missing import end_test_without


def find_program(program: str, package: str, *more: str) -> str:
    """Its path. `package` has it, `more` are packages that it does not work well without."""
    # Tests that run side by side would be in each other's way in apt: the first one installs.
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = shutil.which(program)
        if found is None and apt_is_there() and os.geteuid() == 0:
            try:
                ensure_packages(dict.fromkeys((package, *more), program))
            except ClusterError as error:
                end_test_without(f"{program}: {error}")
            found = shutil.which(program)
    if found is None:
        end_test_without(f"{program}: apt-get install {' '.join((package, *more))}")
    return found
