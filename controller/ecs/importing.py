"""Puts a PinnokioService together from task definitions: each field by the module that owns it, in the spec's order."""

import re
import shlex
from collections.abc import Sequence

from contract.kubernetes import GROUP, KIND, VERSION
from controller.ecs import fields
from controller.ecs.amounts import build_resources
from controller.ecs.leftovers import find_leftovers
from controller.ecs.model import API, BEAT, FLOWER, Findings, Import, Part, Source, TaskDefinitionError
from controller.ecs.parts import find_parts
from controller.ecs.queues import build_queues
from controller.ecs.secrets import SecretKeys, build_fetch
from controller.ecs.variables import Variables
from controller.model.base import JsonObject
from controller.model.crd import NAME_MAX, NAME_PATTERN


def import_task_definitions(sources: Sequence[Source], name: str | None = None, desired_count: int = 1) -> Import:
    """One service from one or more task definitions (API and workers may have been services of their own in ECS).

    `name`: of the PinnokioService, else made from the first family. `desired_count`: what the ECS service had.
    Raises TaskDefinitionError where no container is a part of the service.
    """
    if name is not None and (len(name) > NAME_MAX or not re.match(NAME_PATTERN, name)):
        raise TaskDefinitionError(
            f"--name {name}: at most {NAME_MAX} lower-case letters, digits and dashes, a letter first"
        )
    findings = Findings()
    parts = find_parts(sources, findings)
    if not parts:
        raise TaskDefinitionError(
            f"{sources[0].file}: no container is a part of the service. Its containers have CONTAINER_TYPE api, worker,"
            " beat or flower: " + "; ".join(findings.left)
        )
    name = name or choose_name(sources[0].task.family)
    secrets = SecretKeys(f"{name}-secrets")
    variables = Variables(parts, secrets, findings)
    files, commands = _build_files(name, parts, findings)
    pull, pull_commands = _build_pull_secrets(name, parts)
    spec = _build_spec(parts, variables, desired_count, findings) | files | pull
    find_leftovers(sources, parts, findings)
    document = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": name}, "spec": spec}
    origin = ", ".join(_origin(source) for source in sources)
    return Import(name, origin, document, secrets.name, secrets.keys, (*commands, *pull_commands), findings)


def choose_name(family: str) -> str:
    """A name that the API server takes: `Pinnokio_Prod` → `pinnokio-prod`."""
    name = re.sub(r"[^a-z0-9]+", "-", family.lower()).strip("-")
    return re.sub(r"^[^a-z]+", "", name)[:NAME_MAX].rstrip("-") or "imported"


def _build_spec(parts: Sequence[Part], variables: Variables, desired_count: int, findings: Findings) -> JsonObject:
    image = fields.choose_image(parts, findings)
    words = fields.build_words(variables, image, findings)
    has_files = any(part.container.environment_files for part in parts)
    auth = fields.build_auth(variables, findings, has_files=has_files)
    flag = fields.build_flag(variables)
    valkey = fields.build_valkey(variables, parts, findings)
    migration = fields.build_migration(variables, findings, is_shared=valkey is not None)
    chroma = fields.build_chroma(variables, findings)
    flower = fields.build_flower(variables, parts, _resources_of(FLOWER, parts, findings))
    queues, routes = build_queues(parts, variables, desired_count, findings)
    common, own, by_container = variables.build_env()
    for queue in queues:
        own_of_queue = by_container.get(queue.pop("container"))
        queue |= {"env": own_of_queue} if own_of_queue else {}
    api = {"replicas": desired_count, "resources": _resources_of(API, parts, findings), "auth": auth, "env": own}
    spec: JsonObject = {
        "image": image,
        **words,
        "api": _stated(api),
        "queues": queues,
        "routes": routes,
        "beat": _stated({"resources": _resources_of(BEAT, parts, findings)}),
        "valkey": valkey,
        "unifiedRegistry": flag,
        "chroma": chroma,
        "flower": flower,
        "migration": migration,
        "env": common,
    }
    _tell_missing(parts, findings)
    return _stated(spec)


def _resources_of(kind: str, parts: Sequence[Part], findings: Findings) -> JsonObject | None:
    part = next((part for part in parts if part.kind == kind), None)
    return build_resources(part, findings) if part else None


def _tell_missing(parts: Sequence[Part], findings: Findings) -> None:
    kinds = {part.kind for part in parts}
    if API not in kinds:
        findings.left.append("no container of type api: the API has the operator's defaults; add its task definition")
    if BEAT not in kinds:
        findings.changed.append("no container of type beat: it is run all the same (spec.beat.enabled)")
    if "listeners" in kinds:
        findings.changed.append("listeners run in the API's pods here; their variables went there")


def _build_files(name: str, parts: Sequence[Part], findings: Findings) -> tuple[JsonObject, list[str]]:
    """`environmentFiles` become ConfigMaps for all parts."""
    values = list(dict.fromkeys(each.value for part in parts for each in part.container.environment_files))
    for value in values:
        findings.left.append(
            f"{value} was not read: of its variables, those that the operator sets (LISTENERS_REDIS_…,"
            " UNIFIED_REGISTRY_ENABLED, LOG_LEVEL, CELERY_… and more) have no effect from there; write them into the"
            " fields of the spec that stand for them"
        )
    sources, commands = [], []
    for place, value in enumerate(values, 1):
        made = f"{name}-env-{place}"
        bucket = value.partition(":::")[2]
        sources.append({"configMapRef": {"name": made}})
        commands.append(
            f"aws s3 cp {shlex.quote('s3://' + bucket)} {made}.env"
            f" && kubectl create configmap {made} --from-env-file={made}.env"
        )
    return ({"envFrom": sources} if sources else {}), commands


def _build_pull_secrets(name: str, parts: Sequence[Part]) -> tuple[JsonObject, list[str]]:
    """`repositoryCredentials`: a JSON secret with username and password."""
    part = next((part for part in parts if part.container.repository_credentials), None)
    if part is None or part.container.repository_credentials is None:
        return {}, []
    fetch = build_fetch(part.container.repository_credentials.credentials_parameter)
    made, server = f"{name}-registry", part.container.image.partition("/")[0]
    command = (
        f"kubectl create secret docker-registry {made} --docker-server={shlex.quote(server)}"
        f' --docker-username="$({fetch} | jq -r .username)" --docker-password="$({fetch} | jq -r .password)"'
    )
    return {"imagePullSecrets": [{"name": made}]}, [command]


def _stated(given: JsonObject) -> JsonObject:
    return {name: value for name, value in given.items() if value not in (None, [], {}, "")}


def _origin(source: Source) -> str:
    return source.task.family + (f":{source.task.revision}" if source.task.revision else "")
