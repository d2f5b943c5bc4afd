"""Queues from worker containers: what CELERY_QUEUES or `celery worker -Q … -c …` say, a Deployment each."""

import re
from collections.abc import Sequence
from typing import Final

from contract import queues
from controller.ecs.amounts import build_resources
from controller.ecs.model import WORKER, Findings, Part
from controller.ecs.variables import Variables
from controller.model.base import JsonObject
from controller.model.spec import HARD_LIMIT_MAX_S, QUEUE_NAME, QUEUE_NAME_MAX, SOFT_LIMIT_MAX_S

CONCURRENCY_DEFAULT: Final = 4
CONCURRENCY_MAX: Final = 64
_LIMITS: Final = (
    ("CELERY_SOFT_TIME_LIMIT_S", "--soft-time-limit", "softTimeLimitSeconds"),
    ("CELERY_HARD_TIME_LIMIT_S", "--time-limit", "hardTimeLimitSeconds"),
)


def build_queues(
    parts: Sequence[Part], variables: Variables, most_replicas: int, findings: Findings
) -> tuple[list[JsonObject], dict[str, str]]:
    """The queues by the name of the container that served them (`container` is taken out by the caller), and routes.

    No worker container: no queues, and the operator's default ones serve. `most_replicas`: workers of today.
    """
    found: dict[str, JsonObject] = {}
    for part in (part for part in parts if part.kind == WORKER):
        names = _read_names(part, variables, findings)
        template = _build_template(part, variables, most_replicas, findings)
        if len(names) > 1 and "resources" in template:
            findings.changed.append(
                f"container {part.container.name} served {', '.join(names)} in one process tree; here each queue has"
                " pods of its own with that CPU and memory, none while nothing waits"
            )
        for name in names:
            if name in found:
                findings.changed.append(
                    f"queue {name} is served by {found[name]['container']} and {part.container.name}: the settings of"
                    f" {found[name]['container']} are taken"
                )
                found[name]["maxReplicas"] += most_replicas
            else:
                found[name] = {"name": name, **template}
    if not found:
        findings.left.append("no worker container: the operator's default queues serve; see spec.queues")
        return [], _read_routes(variables, set(queues.QUEUES), findings)
    return _complete(found, variables, most_replicas, findings)


def _complete(
    found: dict[str, JsonObject], variables: Variables, most_replicas: int, findings: Findings
) -> tuple[list[JsonObject], dict[str, str]]:
    """Every task type needs a queue that is served: what no worker served goes to `default`, which there must be."""
    if queues.DEFAULT not in found:
        found[queues.DEFAULT] = {
            "name": queues.DEFAULT,
            "container": "",
            "minReplicas": 0,
            "maxReplicas": most_replicas,
        }
        findings.changed.append(f"queue {queues.DEFAULT} was served by no worker and is added: each service needs it")
    routes = _read_routes(variables, set(found), findings)
    for kind in queues.TASK_TYPES.values():
        if queues.queue_of(kind.name, routes) not in found:
            routes[kind.name] = queues.DEFAULT
            findings.changed.append(
                f"queue {kind.queue} was served by no worker: tasks of type {kind.name} are routed to {queues.DEFAULT}"
            )
    return list(found.values()), routes


def _read_names(part: Part, variables: Variables, findings: Findings) -> list[str]:
    said = variables.take_own(part, "CELERY_QUEUES") or _option(part, "-Q", "--queues") or ",".join(queues.QUEUES)
    names = list(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))
    fit = [name for name in names if re.match(QUEUE_NAME, name) and len(name) <= QUEUE_NAME_MAX]
    for name in names:
        if name not in fit:
            findings.left.append(
                f"container {part.container.name}: queue {name!r} (a name takes lower-case letters, digits and dashes);"
                " add it to spec.queues under a new name, and route its task types there"
            )
    return fit


def _build_template(part: Part, variables: Variables, most_replicas: int, findings: Findings) -> JsonObject:
    said = variables.take_own(part, "CELERY_CONCURRENCY") or _option(part, "-c", "--concurrency")
    concurrency = int(said) if said and said.isdigit() and int(said) > 0 else CONCURRENCY_DEFAULT
    if concurrency > CONCURRENCY_MAX:
        findings.changed.append(
            f"container {part.container.name}: concurrency {concurrency} is lowered to {CONCURRENCY_MAX}, the most of"
            " one pod; maxReplicas gives more"
        )
    template: JsonObject = {
        "container": part.container.name,
        "concurrency": min(concurrency, CONCURRENCY_MAX),
        "minReplicas": 0,
        "maxReplicas": most_replicas,
        **_read_limits(part, variables, findings),
    }
    resources = build_resources(part, findings)
    return template | ({"resources": resources} if resources else {})


def _read_limits(part: Part, variables: Variables, findings: Findings) -> JsonObject:
    limits = {}
    for variable, option, field in _LIMITS:
        said = variables.take_own(part, variable) or _option(part, option, option)
        if said and said.isdigit() and int(said):
            limits[field] = int(said)
    # As the CRD has it: without a hard limit of its own, a queue's is a minute above the soft one.
    soft_max = HARD_LIMIT_MAX_S - 1 if "hardTimeLimitSeconds" in limits else SOFT_LIMIT_MAX_S
    for field, most in (("softTimeLimitSeconds", soft_max), ("hardTimeLimitSeconds", HARD_LIMIT_MAX_S)):
        if limits.get(field, 0) > most:
            findings.left.append(
                f"container {part.container.name}: {field} {limits[field]}; the most is {most} s, which stands there"
                " now: split tasks that need longer"
            )
            limits[field] = most
    soft, hard = (limits.get(field) for _, _, field in _LIMITS)
    if hard and (soft is None or soft >= hard):
        del limits["hardTimeLimitSeconds"]
        findings.left.append(
            f"container {part.container.name}: a hard time limit of {hard} s without a soft one below it; set both"
        )
    return limits


def _read_routes(variables: Variables, served: set[str], findings: Findings) -> dict[str, str]:
    """`TASK_ROUTES`: type=queue,…"""
    pairs = [entry.partition("=") for entry in (variables.take_plain("TASK_ROUTES") or "").split(",") if "=" in entry]
    routes = {kind.strip(): queue.strip() for kind, _, queue in pairs}
    for kind, queue in routes.items():
        if queue not in served:
            findings.left.append(f"TASK_ROUTES: {kind}={queue}, a queue that no worker serves")
    return {kind: queue for kind, queue in routes.items() if queue in served}


def _option(part: Part, *names: str) -> str | None:
    """The value of a command-line option: `-Q a`, `-Qa`, `--queues a`, `--queues=a`."""
    words = part.container.words
    # What stands before is a shell's: `sh -c "celery …"`.
    words = words[next((place for place, word in enumerate(words) if word.endswith("celery")), 0) :]
    for place, word in enumerate(words):
        if word in names:
            return words[place + 1] if place + 1 < len(words) else None
        for name in names:
            if word.startswith(name + "=") or (not name.startswith("--") and word.startswith(name) and len(word) > 2):
                return word[len(name) :].removeprefix("=")
    return None
