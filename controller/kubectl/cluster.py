"""Reaches the cluster by kubectl, with the flags that were given, and turns its refusals into words."""

import codecs
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from contract.kubernetes import GROUP, PLURAL

RESOURCE: Final = f"{PLURAL}.{GROUP}"
DEADLINE_S: Final = 60


class PluginError(Exception):
    """What a person is told: what went wrong, and what to do."""


class Kubectl:
    """`flags`: those of kubectl itself, such as --context."""

    def __init__(self, flags: Sequence[str]) -> None:
        program = shutil.which("kubectl")
        if program is None:
            raise PluginError("kubectl is not on PATH: install it, kubectl pinnokio works by it")
        self._command = [program, *flags]

    def read_service(self, name: str) -> dict[str, Any]:
        try:
            return self._read("get", RESOURCE, name, "-o", "json")
        except PluginError as error:
            if "not found" not in str(error):
                raise
            there = ", ".join(each["metadata"]["name"] for each in self.read_services()) or "none"
            raise PluginError(f"no PinnokioService {name} in this namespace (there: {there}); see -n") from error

    def read_services(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._read("get", RESOURCE, "-o", "json")["items"]
        return items

    def annotate(self, name: str, *changes: str) -> None:
        """`key=value` sets, `key-` removes."""
        self._run("annotate", RESOURCE, name, "--overwrite", *changes)

    def watch(self, name: str) -> Iterator[dict[str, Any]]:
        """Watch events of the service, first as it is, until the API server ends the watch. Raises PluginError."""
        command = [*self._command, "get", RESOURCE, name, "--watch", "--output-watch-events", "-o", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            if process.stdout is None or process.stderr is None:
                raise PluginError("kubectl has no output")
            try:
                yield from _read_documents(process.stdout)
                said = process.stderr.read().decode("utf-8", "replace")
                if process.wait() != 0:
                    raise PluginError(explain(said))
            finally:
                process.terminate()

    def _read(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._run(*arguments))
        return document

    def _run(self, *arguments: str) -> str:
        try:
            result = subprocess.run(
                [*self._command, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PluginError(f"no cluster answers within {DEADLINE_S} s: check --context and the network") from error
        if result.returncode != 0:
            raise PluginError(explain(result.stderr))
        return result.stdout


def _read_documents(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """JSON documents one after another, each as soon as it is whole."""
    decoder, text = json.JSONDecoder(), ""
    read = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := os.read(stream.fileno(), 65_536):
        text = (text + read.decode(chunk)).lstrip()
        while text:
            try:
                document, end = decoder.raw_decode(text)
            except ValueError:
                break
            yield document
            text = text[end:].lstrip()


_EXPLANATIONS: Final = (
    (
        r"doesn't have a resource type|could not find the requested resource|no matches for kind",
        "this cluster knows no PinnokioService: helm install pinnokio charts/pinnokio, or choose another by --context",
    ),
    (r"Unauthorized|must be logged in|provide credentials", "the cluster does not know you: log in again"),
    (
        r"connection refused|Unable to connect|no such host|i/o timeout|was refused|no route to host|deadline exceeded",
        "no cluster answers: check --context, --kubeconfig and the network",
    ),
    (
        r"no configuration has been provided|does not exist$|error loading config|no context|no such file or directory",
        "no cluster is chosen: check --context and --kubeconfig (kubectl config get-contexts lists them)",
    ),
)


def explain(said: str) -> str:
    """kubectl's words, with what to do before them where that is known."""
    words = " ".join(line.strip() for line in said.splitlines() if line.strip() and not re.match(r"^[EWI]\d{4} ", line))
    words = (words or said.strip()).removeprefix("Error from server ").removeprefix("error: ")
    denied = re.search(r'cannot (\w+) resource "([^"]+)"(?:.*in the namespace "([^"]+)")?', said)
    if denied:
        verb, resource, namespace = denied.groups()
        where = f" in namespace {namespace}" if namespace else ""
        return f"not permitted: you may not {verb} {resource}{where}; ask for a Role with that verb. kubectl: {words}"
    for pattern, advice in _EXPLANATIONS:
        if re.search(pattern, said.strip()):
            return f"{advice}. kubectl: {words}"
    return words
