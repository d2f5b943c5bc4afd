"""Which clusters from source stand on this machine: the record that each keeps in its run folder."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.cache import locked
from tests.cluster.model import ClusterError, read_json, write_private
from tests.cluster.source import processes
from tests.cluster.source.layout import DATA_ROOT, RUN_ROOT, Layout, choose_octet, clone_id
from tests.cluster.source.network import read_taken_networks

CONTROL_PLANE = ("etcd", "kube-apiserver", "kubelet")


def read_layout(clone: Path) -> Layout | None:
    """The layout of a clone's cluster as it was made; None when there is none."""
    return _read(RUN_ROOT / clone_id(clone))


def create_layout(clone: Path) -> Layout:
    """Choose a clone's addresses and record them."""
    with locked("networks"):
        taken = read_taken_networks(Layout(clone, 0).bridge)
        octet = choose_octet(clone, [*taken, *(other.network for other in read_other_layouts(clone))])
        if octet is None:
            raise ClusterError("every network from 10.112.0.0/16 to 10.223.0.0/16 is taken on this machine")
        layout = Layout(clone, octet)
        layout.run_dir.mkdir(parents=True, exist_ok=True)
        layout.run_dir.chmod(0o711)
        write_private(_file(layout.run_dir), json.dumps({"clone": str(clone), "octet": octet}))
    return layout


def read_other_layouts(clone: Path) -> list[Layout]:
    """The clusters of other clones, alive or left behind."""
    folders = sorted(RUN_ROOT.iterdir()) if RUN_ROOT.exists() else []
    found = [_read(folder) for folder in folders if folder.name != clone_id(clone)]
    return [layout for layout in found if layout is not None]


def read_abandoned_data() -> list[Path]:
    """Data of clusters that have no record any more: /run is emptied when the machine starts, their disk is not."""
    folders = sorted(DATA_ROOT.iterdir()) if DATA_ROOT.exists() else []
    return [folder for folder in folders if not (RUN_ROOT / folder.name).exists()]


def is_left_behind(layout: Layout) -> bool:
    """Whether a cluster's control plane is gone: nobody can use it any more, whatever else of it still runs."""
    records = processes.read_records(layout)
    return not any(name in records and processes.is_alive(records[name]) for name in CONTROL_PLANE)


def _read(folder: Path) -> Layout | None:
    stored = read_json(_file(folder))
    if stored is None:
        return None
    clone, octet = stored.get("clone"), stored.get("octet")
    return Layout(Path(clone), octet) if isinstance(clone, str) and isinstance(octet, int) else None


def _file(folder: Path) -> Path:
    return folder / "cluster.json"
