"""The Debian packages that a cluster from source needs, and how the missing ones are installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.steps import step

# Package, and a program or file that tells that it is there however it came.
PACKAGES = {
    "etcd-server": "/usr/bin/etcd",
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "iproute2": "/usr/sbin/ip",
    "util-linux": "/usr/bin/nsenter",
    "buildah": "/usr/bin/buildah",
    "debootstrap": "/usr/sbin/debootstrap",
    "openssl": "/usr/bin/openssl",
    "ca-certificates": "/usr/sbin/update-ca-certificates",
    "gcc": "/usr/bin/gcc",
    "libc6-dev": "/usr/include/stdio.h",
    "busybox-static": "/usr/bin/busybox",
}
POLICY = Path("/usr/sbin/policy-rc.d")


def missing_packages(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """Those of `packages` that dpkg does not have as installed."""
    result = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[0] for line in result.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


def ensure_packages(packages: Mapping[str, str] = PACKAGES) -> None:
    """Install what is missing; no service that a package brings is started."""
    with step("Debian packages") as current:
        missing = missing_packages(packages)
        if not missing:
            current.note = "all there"
            return
        current.note = f"{len(missing)} installed"
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        hint = "is a Debian mirror reachable? `apt-get update` shows it"
        with _services_not_started():
            run(["apt-get", "update"], log_name="apt", step=current, env=environment, hint=hint)
            install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
            run(install, log_name="apt", step=current, env=environment, hint=hint)


def apt_is_there() -> bool:
    return shutil.which("apt-get") is not None and shutil.which("dpkg-query") is not None


@contextmanager
def _services_not_started() -> Iterator[None]:
    """Tell maintainer scripts, in Debian's way, to start nothing; a policy that is there already stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
