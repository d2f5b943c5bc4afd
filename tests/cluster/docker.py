"""Image builds where a Docker engine runs."""

from __future__ import annotations

import shutil

from tests.cluster.commands import run, succeeds
from tests.cluster.model import BuildRequest
from tests.cluster.steps import step


def engine_runs() -> bool:
    """Whether there is a Docker engine that answers; a docker command alone is none."""
    return shutil.which("docker") is not None and succeeds(["docker", "info"])


class DockerBuilder:
    """`docker build`, with the Dockerfile's own base image."""

    def build(self, request: BuildRequest) -> None:
        command = ["docker", "build", "--tag", request.tag, "--file", str(request.dockerfile)]
        if request.target is not None:
            command += ["--target", request.target]
        for name, value in request.build_args.items():
            command += ["--build-arg", f"{name}={value}"]
        with step(f"Image {request.tag}") as current:
            run([*command, str(request.context)], log_name="image-build", step=current)
            current.note = "built"
