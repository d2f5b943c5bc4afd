"""Runs helm on the chart, and takes apart what it rendered. What is asserted about that stands in the tests."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import KUBERNETES_VERSION
from tests.cluster.model import REPOSITORY

CHART = REPOSITORY / "charts" / "pinnokio"
RELEASE = "sample"
NAMESPACE = "accounting"
HELM_DEADLINE_S = 300.0

Document = dict[str, Any]
Values = Mapping[str, Any]


class HelmRefused(Exception):
    """helm ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Helm:
    """A helm binary. `kubeconfig` None: it reaches no cluster."""

    binary: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """What helm printed on standard output; `HelmRefused` where it failed."""
        command = [str(self.binary), *arguments]
        if values is not None:
            command += ["--values", "-"]
        result = subprocess.run(
            command,
            input=yaml.safe_dump(dict(values or {})),
            capture_output=True,
            text=True,
            timeout=HELM_DEADLINE_S,
            check=False,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig or os.devnull)},
        )
        if result.returncode != 0:
            raise HelmRefused(result.stderr.strip() or result.stdout.strip())
        return result.stdout

    def template(self, values: Values, *arguments: str, chart: Path = CHART) -> list[Document]:
        """Every object of the release, hooks too, rendered without a cluster."""
        options = ("--namespace", NAMESPACE, "--kube-version", KUBERNETES_VERSION, *arguments)
        text = self.run("template", RELEASE, str(chart), *options, values=values)
        return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def one(documents: list[Document], kind: str, suffix: str = "") -> Document:
    """The one object of a kind whose name ends so."""
    found = [entry for entry in of_kind(documents, kind) if entry["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} whose name ends with {suffix!r}"
    return found[0]


def pod_specs(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """(kind/name, pod spec) of all that runs."""
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] != "Pod":
            spec = spec.get("template", {}).get("spec", {})
        if "containers" in spec:
            yield f"{document['kind']}/{document['metadata']['name']}", spec


def containers(documents: list[Document]) -> Iterator[Document]:
    for _, spec in pod_specs(documents):
        yield from [*spec.get("initContainers", []), *spec["containers"]]


def is_hook(document: Document, event: str) -> bool:
    events: str = document["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return event in events.split(",")
