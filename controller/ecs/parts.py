"""Which container is which part of the service: by CONTAINER_TYPE, else by what it runs."""

import re
from collections.abc import Sequence
from typing import Final

from controller.ecs.model import API, BEAT, FLOWER, LISTENERS, WORKER, ContainerDefinition, Findings, Part, Source

KINDS: Final = (API, WORKER, BEAT, FLOWER, LISTENERS)
# Images of others that stand beside a service in a task, and who does their work here.
_BESIDE: Final = (
    (r"redis|valkey", "the operator runs a Valkey of its own (valkey.mode: embedded)"),
    (r"chroma", "run Chroma by itself and name it in spec.chroma (docs/migration.md)"),
    (r"nginx|envoy|appmesh|haproxy|traefik", "use spec.api.ingress"),
    (r"fluent|firelens|log-?router", "logs are JSON on stdout: let the cluster's collector take them"),
    (r"xray|otel|opentelemetry|datadog|newrelic|cloudwatch|prometheus", "run it as a DaemonSet of the cluster"),
)


def find_parts(sources: Sequence[Source], findings: Findings) -> list[Part]:
    """The containers that become parts, in the order of the files; the others are told in `findings.left`."""
    pairs = [(source, each) for source in sources for each in source.task.container_definitions]
    images = {_repository(each.image) for _, each in pairs if each.value_of("CONTAINER_TYPE")}
    parts: list[Part] = []
    for source, container in pairs:
        kind = _choose_kind(container, images, is_alone=len(pairs) == 1, findings=findings)
        if kind is None:
            findings.left.append(_say_beside(container))
        elif kind in (API, BEAT, FLOWER) and any(part.kind == kind for part in parts):
            findings.left.append(f"container {container.name}: there is a container of type {kind} already; the first")
            findings.left[-1] += " one is taken"
        else:
            parts.append(Part(kind, container, source))
    return parts


def is_store(image: str) -> bool:
    """Whether the image is a Redis or a Valkey."""
    return re.search(_BESIDE[0][0], _repository(image).rpartition("/")[2]) is not None


def _choose_kind(container: ContainerDefinition, images: set[str], *, is_alone: bool, findings: Findings) -> str | None:
    """In this order: CONTAINER_TYPE; what celery is told to run; someone else's image; the service's own image."""
    said = (container.value_of("CONTAINER_TYPE") or "").strip().lower()
    if said:
        return said if said in KINDS else None
    guessed = _guess(container)
    if guessed is None and not _beside(container) and (is_alone or _repository(container.image) in images):
        guessed = API
    if guessed:
        findings.changed.append(f"container {container.name} has no CONTAINER_TYPE and was taken for {guessed}")
    return guessed


def _guess(container: ContainerDefinition) -> str | None:
    words = [word.rpartition("/")[2] for word in container.words]
    if "celery" in words:
        return next((kind for kind in (WORKER, BEAT, FLOWER) if kind in words), None)
    return API if {"uvicorn", "gunicorn"} & set(words) else None


def _beside(container: ContainerDefinition) -> str | None:
    image = _repository(container.image)
    return next((instead for pattern, instead in _BESIDE if re.search(pattern, image)), None)


def _say_beside(container: ContainerDefinition) -> str:
    said = container.value_of("CONTAINER_TYPE")
    if said:
        return (
            f"container {container.name}: CONTAINER_TYPE {said} is none of {', '.join(KINDS)}; correct it and import"
            " again, or run the container by itself"
        )
    instead = _beside(container) or "run it by itself if it is still needed"
    return f"container {container.name} (image {_repository(container.image)}): no part of the service; {instead}"


def _repository(image: str) -> str:
    """The image without tag and digest."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"
