"""The Go programs of the cluster: which there are, and how each part is built once and cached.

A part is a folder under `go/` with its go.mod and go.sum; the cache key is the hash of those, of its sources, of the
flags and of Go's version, so that a change of any builds anew and everything else is found.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_dir, hash_of, locked, mark_used, publishing
from tests.cluster.commands import capture, run
from tests.cluster.model import BIN_DIR, ClusterError, find_kubectl, prepare_cluster_dir
from tests.cluster.steps import Step, step

GO_DIR = Path(__file__).parent / "go"
KUBERNETES_VERSION = "1.34.4"  # 1.35 and later refuse hosts with cgroups v1
HELM_VERSION = "3.19.5"
OLDEST_GO = (1, 24)  # `tool` lines in go.mod, and what Kubernetes 1.34 asks for
_VERSION_VARIABLES = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")


@dataclass(frozen=True)
class GoPart:
    """Programs built from one go.mod. `packages` is what `go build` is told; "tool" means the go.mod's tool lines."""

    name: str
    title: str
    packages: str
    programs: tuple[str, ...]
    expected: str
    ldflags: str = "-s -w"


KUBERNETES = GoPart(
    name="kubernetes",
    title=f"Kubernetes {KUBERNETES_VERSION} programs",
    packages="tool",
    programs=(
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubectl",
    ),
    expected="7 min on two cores",
    ldflags=f"-s -w -X {_VERSION_VARIABLES}.gitVersion=v{KUBERNETES_VERSION}"
    f" -X {_VERSION_VARIABLES}.gitMajor={_MAJOR} -X {_VERSION_VARIABLES}.gitMinor={_MINOR}",
)
COREDNS = GoPart("coredns", "CoreDNS", ".", ("coredns",), "1 min")
PROVISIONER = GoPart("local-path-provisioner", "local-path provisioner", "tool", ("local-path-provisioner",), "1 min")
HELM = GoPart(
    "helm",
    "helm 3",
    "tool",
    ("helm",),
    "3 min",
    # Without the Kubernetes version helm takes itself for one of 1.20, and refuses charts that need more.
    ldflags=f"-s -w -X helm.sh/helm/v3/internal/version.version=v{HELM_VERSION} "
    + " ".join(
        f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
        for package in ("chartutil", "lint/rules")
        for part, number in (("Major", _MAJOR), ("Minor", _MINOR))
    ),
)
KIND = GoPart("kind", "kind", "tool", ("kind",), "1 min")


def parse_go_version(text: str) -> tuple[int, int] | None:
    """`go1.26.8` → (1, 26); None where it is no such text."""
    match = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(match[1]), int(match[2])) if match else None


def why_go_is_unfit() -> str | None:
    """The reason why Go programs cannot be built here; None when they can."""
    if shutil.which("go") is None:
        return f"Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or later is not on PATH"
    version = parse_go_version(_go_version())
    if version is None or version < OLDEST_GO:
        return f"Go is {_go_version().strip()}, {OLDEST_GO[0]}.{OLDEST_GO[1]} or later is needed"
    return None


def ensure_part(part: GoPart) -> Path:
    """The folder with the part's programs, built when the cache has none for what stands in the tree."""
    source = GO_DIR / part.name
    files = sorted(path for path in source.iterdir() if path.suffix in {".mod", ".sum", ".go"})
    key = hash_of(_go_version(), part.packages, part.ldflags, *files)
    folder = cache_dir() / "bin" / f"{part.name}-{key}"
    with step(part.title) as current:
        if folder.exists():
            current.note = "cached"
        else:
            current.detail = f"waiting for another build of {part.name}"
            with locked(f"go-{part.name}"):
                if not folder.exists():
                    _build(part, source, folder, current)
            current.note = "built"
        mark_used(folder, f"{part.name}-")
    return folder


def ensure_tools(*, kubectl_from: Path | None = None) -> Path:
    """`.cluster/bin` with links to helm 3 and kubectl: `kubectl_from`'s, else the one on PATH, else built."""
    prepare_cluster_dir()
    if kubectl_from is not None:
        _link(kubectl_from / "kubectl")
    elif not (BIN_DIR / "kubectl").exists() and shutil.which("kubectl") is None:
        _link(ensure_part(KUBERNETES) / "kubectl")
    helm = shutil.which("helm", path=_path_without_own_bin())
    if helm is None or "v3." not in capture([helm, "version", "--short"]):
        reason = why_go_is_unfit()
        if reason is not None:
            raise ClusterError(f"helm 3 is not on PATH and cannot be built: {reason}")
        _link(ensure_part(HELM) / "helm")
    else:
        _link(Path(helm))
    find_kubectl()
    return BIN_DIR


def _build(part: GoPart, source: Path, folder: Path, current: Step) -> None:
    current.detail = f"first build, about {part.expected}"
    command = ["go", "build", "-v", "-trimpath", "-mod=readonly", "-ldflags", part.ldflags]
    with publishing(folder) as temporary:
        run(
            [*command, "-o", f"{temporary}/", part.packages],
            log_name=f"go-{part.name}",
            step=current,
            cwd=source,
            env={"CGO_ENABLED": "0"},
            hint="is the Go module proxy reachable? `go env GOPROXY` names it; a full disk also looks like this",
        )
        missing = [name for name in part.programs if not (temporary / name).exists()]
        if missing:
            raise ClusterError(f"go build of {part.name} made no {', '.join(missing)}")


def _link(target: Path) -> None:
    link = BIN_DIR / target.name
    temporary = BIN_DIR / f".{target.name}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _path_without_own_bin() -> str:
    entries = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry) != BIN_DIR)


def _go_version() -> str:
    """Go's version as it is in the folder of the Kubernetes part, where go.mod may ask for a newer toolchain."""
    return capture(["go", "-C", str(GO_DIR / "kubernetes"), "env", "GOVERSION"], timeout_s=300).strip()
