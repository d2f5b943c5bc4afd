"""Brings the CRD in the cluster to the one in a file: `python -m controller.cluster.crd_install FILE`.

Owns that step and nothing else; the chart's hook runs it before an install and an upgrade, since Helm installs `crds/`
once and never changes it. What the CRD says is the file's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio import client, config

FIELD_MANAGER: Final = "pinnokio-crd-install"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
ESTABLISHED_DEADLINE_S: Final = 60.0
POLL_S: Final = 0.25
REQUEST_TIMEOUT_S: Final = 30.0
FINAL: Final = 2
# The object was changed under our hands, or we are to come back later.
PASSING_REFUSALS: Final = (409, 429)


class CrdInstallError(Exception):
    """The CRD could not be brought to the file's; the message says why, and what to do where that is known.

    `exit_code` 2: trying again would end the same (the chart's Job gives up then); 1: it might not.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Definition:
    """A CustomResourceDefinition as a file holds it."""

    name: str
    manifest: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.manifest["spec"]
        return spec


def read_definition(path: Path) -> Definition:
    """The one CRD of a YAML file; `CrdInstallError` where the file holds something else."""
    try:
        manifest = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CrdInstallError(f"{path}: {error}", FINAL) from error
    match manifest:
        case {
            "kind": "CustomResourceDefinition",
            "metadata": {"name": str(name)},
            "spec": dict(),
        }:
            return Definition(name, manifest)
    raise CrdInstallError(f"{path}: not one CustomResourceDefinition with a name and a spec", FINAL)


async def install(api: client.ApiextensionsV1Api, definition: Definition) -> str:
    """Make the cluster's CRD the file's, wait until it is served, and answer `created`, `changed` or `unchanged`."""
    before = await read_generation(api, definition.name)
    if before is None:
        await create(api, definition)
    else:
        await replace_spec(api, definition)
    await wait_established(api, definition.name)
    if before is None:
        return "created"
    return "unchanged" if await read_generation(api, definition.name) == before else "changed"


async def read_generation(api: client.ApiextensionsV1Api, name: str) -> int | None:
    """`metadata.generation` of the CRD, which grows with every change of its spec; None: there is no such CRD."""
    try:
        found = await api.read_custom_resource_definition(name, _request_timeout=REQUEST_TIMEOUT_S)
    except client.ApiException as error:
        if error.status == 404:
            return None
        raise
    return (found.metadata and found.metadata.generation) or 0


async def create(api: client.ApiextensionsV1Api, definition: Definition) -> None:
    """By server-side apply: unlike a POST, it names the object, so that a role can allow this one CRD alone."""
    await api.patch_custom_resource_definition(
        definition.name,
        definition.manifest,
        field_manager=FIELD_MANAGER,
        force=True,
        _content_type=APPLY,
        _request_timeout=REQUEST_TIMEOUT_S,
    )


async def replace_spec(api: client.ApiextensionsV1Api, definition: Definition) -> None:
    """The whole spec at once.

    Server-side apply would keep each field that Helm, or whoever created the CRD, owns and the file no longer has: a
    property removed from the schema would stay for ever. Labels and annotations that others set are left alone.
    """
    await api.patch_custom_resource_definition(
        definition.name,
        [{"op": "replace", "path": "/spec", "value": definition.spec}],
        field_manager=FIELD_MANAGER,
        _content_type=JSON_PATCH,
        _request_timeout=REQUEST_TIMEOUT_S,
    )


async def wait_established(api: client.ApiextensionsV1Api, name: str) -> None:
    """Until the API server serves the CRD's resources; `CrdInstallError` after `ESTABLISHED_DEADLINE_S`."""
    deadline = asyncio.get_running_loop().time() + ESTABLISHED_DEADLINE_S
    while True:
        found = await api.read_custom_resource_definition(name, _request_timeout=REQUEST_TIMEOUT_S)
        conditions = (found.status.conditions if found.status else None) or []
        if any(condition.type == "Established" and condition.status == "True" for condition in conditions):
            return
        if asyncio.get_running_loop().time() > deadline:
            seen = "; ".join(f"{c.type}={c.status}: {c.message}" for c in conditions) or "no condition"
            raise CrdInstallError(f"{name} is not established after {ESTABLISHED_DEADLINE_S:.0f} s ({seen})")
        await asyncio.sleep(POLL_S)


def explain(error: client.ApiException, name: str) -> str:
    """What the API server answered, and what to do about it."""
    try:
        message = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError):
        message = error.reason or "no reason given"
    hint = ""
    if error.status == 403:
        hint = "\nAllow it, or set crds.upgrade=false and bring the CRD up to date yourself: kubectl replace -f crds/"
    elif error.status == 422 and "storedVersions" in message:
        hint = "\nThe cluster still stores objects of a version that this CRD no longer has: migrate them first."
    return f"{name}: the API server answered {error.status}: {message}{hint}"


def exit_code_of(error: client.ApiException) -> int:
    """FINAL where the API server understood and refused; 1 where it may answer otherwise the next time."""
    return FINAL if 400 <= (error.status or 0) < 500 and error.status not in PASSING_REFUSALS else 1


async def run(path: Path) -> str:
    """`install` against the cluster this runs in, else the one of KUBECONFIG. Answers one line for people."""
    definition = read_definition(path)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    else:
        await config.load_kube_config(os.environ.get("KUBECONFIG"))  # type: ignore[no-untyped-call]
    async with client.ApiClient() as connection:
        try:
            outcome = await install(client.ApiextensionsV1Api(connection), definition)
        except client.ApiException as error:
            raise CrdInstallError(explain(error, definition.name), exit_code_of(error)) from error
    return f"{definition.name}: {outcome}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m controller.cluster.crd_install", description=__doc__)
    parser.add_argument("file", type=Path, help="YAML file with one CustomResourceDefinition")
    path: Path = parser.parse_args(arguments).file
    try:
        line = asyncio.run(run(path))
    except (CrdInstallError, config.ConfigException, OSError, TimeoutError) as error:
        sys.stderr.write(f"crd_install: {error}\n")
        return error.exit_code if isinstance(error, CrdInstallError) else 1
    sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
