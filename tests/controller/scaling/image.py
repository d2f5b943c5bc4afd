"""The project's image with `hold` among its chores: for tests and benchmarks of scaling."""

import shutil
from pathlib import Path

from tests.cluster.model import REPOSITORY, BuildRequest, Cluster
from tests.e2e.images import APP_SOURCES, hash_of

HOLD = Path(__file__).with_name("hold.py")


def build_hold_image(cluster: Cluster, context: Path) -> str:
    """The reference that pods name. `context`: an empty folder to build from."""
    for source in APP_SOURCES:
        path = REPOSITORY / source
        if path.is_dir():
            shutil.copytree(path, context / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, context / source)
    # The Dockerfile's other targets and extras name theirs.
    for lock in REPOSITORY.glob("requirements-*.lock"):
        shutil.copy(lock, context / lock.name)
    shutil.copy(HOLD, context / "service" / "worker" / "chores" / "hold.py")
    tag = f"pinnokio:hold-{hash_of((*APP_SOURCES, str(HOLD.relative_to(REPOSITORY))))}"
    cluster.build(BuildRequest(tag=tag, context=context, dockerfile=context / "Dockerfile", target="app"))
    return cluster.load(tag)
