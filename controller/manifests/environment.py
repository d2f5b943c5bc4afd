"""Environment of the containers: what the operator sets, then what the spec adds. Names are those of contract.env."""

from collections.abc import Iterable
from typing import Final

from contract import env, kubernetes, queues
from controller.manifests.target import Target
from controller.manifests.types import EnvFromSource, EnvVar, KeySelector
from controller.model.pod import CELERY_KEY_PREFIX, EnvFrom, KeyRef
from controller.model.pod import EnvVar as SpecEnvVar
from controller.model.spec import QueueSpec

FLAG_FOLDER: Final = "/etc/pinnokio"
HEARTBEAT_FILE: Final = "/tmp/pinnokio-heartbeat"
BEAT_SCHEDULE_FILE: Final = "/tmp/pinnokio-beat-schedule"
CA_FOLDER: Final = "/etc/pinnokio-valkey"
CA_FILE: Final = "ca.crt"


def build_environment(target: Target, part: str, own: dict[str, str], more: Iterable[SpecEnvVar]) -> list[EnvVar]:
    """Variables of one part. `own`: what this part alone is told; `more`: the part's variables of the spec.

    The flag and the level of the logs are not among them: a change of them must not restart a pod, so they go by
    document, and the variables stay as they are.
    """
    told = {
        "CONTAINER_TYPE": part,
        "LOG_LEVEL": "INFO",
        "SERVICE_VERSION": target.spec.effective_version,
        "UNIFIED_REGISTRY_ENABLED": "false",
        "REGISTRY_DEBUG": "false",
        "FLAG_FILE": f"{FLAG_FOLDER}/{kubernetes.FLAG_KEY}",
        "USE_LOCAL_REDIS": "false",
        **own,
    }
    chosen = {variable.name: variable for variable in (*target.spec.env, *more)}
    variables: list[EnvVar] = [
        _build_plain(name, value) for name, value in told.items() if value and name not in chosen
    ]
    variables.append({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    variables += _build_valkey(target)
    if target.spec.env_from and CELERY_KEY_PREFIX not in chosen:
        # What stands in a Secret or ConfigMap is not seen here, and the operator must look where workers do.
        variables.append(_build_plain(CELERY_KEY_PREFIX, target.spec.celery_key_prefix))
    variables += [variable for variable in _build_chroma(target) if variable["name"] not in chosen]
    return variables + [_build_given(variable) for variable in chosen.values()]


def build_token(target: Target) -> list[EnvVar]:
    """The bearer token, where one is asked for."""
    auth = target.spec.api.auth
    if auth.disabled:
        return []
    ref = auth.token_secret_ref or KeyRef(name=target.secret_name, key=kubernetes.TOKEN_KEY)
    return [_build_secret("LISTENERS_SERVICE_TOKEN", ref)]


def build_flower_login(target: Target) -> list[EnvVar]:
    ref = target.spec.flower.basic_auth_secret_ref or KeyRef(name=target.secret_name, key=kubernetes.FLOWER_KEY)
    return [_build_secret("FLOWER_BASIC_AUTH", ref)]


def build_queue_environment(target: Target, queue: QueueSpec) -> dict[str, str]:
    soft, hard = target.spec.time_limits_s(queue)
    return {
        "CELERY_QUEUES": queue.name,
        "CELERY_CONCURRENCY": str(queue.concurrency),
        "CELERY_SOFT_TIME_LIMIT_S": str(soft),
        "CELERY_HARD_TIME_LIMIT_S": str(hard),
        "WORKER_HEARTBEAT_FILE": HEARTBEAT_FILE,
        "WORKER_METRICS_PORT": str(kubernetes.WORKER_METRICS_PORT),
        "TASK_ROUTES": _build_routes(target, queue.name),
    }


def build_beat_environment(target: Target) -> dict[str, str]:
    return {
        "WORKER_HEARTBEAT_FILE": HEARTBEAT_FILE,
        "BEAT_SCHEDULE_FILE": BEAT_SCHEDULE_FILE,
        "BEAT_RUNS": ",".join(_beats_own_chores(target)),
        "TASK_ROUTES": _build_routes(target),
    }


def _beats_own_chores(target: Target) -> list[str]:
    """Chores of queues that may sleep: their messages would wake workers each ten seconds, and keep them."""
    sleepers = {queue.name for queue in target.spec.queues if not queue.min_replicas}
    return [name for name in queues.CHORES if queues.queue_of(name, target.spec.routes) in sleepers]


def _build_routes(target: Target, queue: str | None = None) -> str:
    """For beat, or for the workers of a queue: those are told what comes to it and what goes elsewhere, so that a route
    between other queues restarts none of them. The API reads routes from the flag document: one closes no socket."""
    return ",".join(
        f"{task}={to}"
        for task, to in sorted(target.spec.routes.items())
        if queue is None or queue in (to, queues.queue_of(task, {}))
    )


def build_env_from(sources: Iterable[EnvFrom]) -> list[EnvFromSource]:
    return [_build_source(source) for source in sources]


def _build_source(source: EnvFrom) -> EnvFromSource:
    built: EnvFromSource = {}
    if source.prefix:
        built["prefix"] = source.prefix
    if source.secret_ref:
        built["secretRef"] = {"name": source.secret_ref.name, "optional": source.secret_ref.optional}
    if source.config_map_ref:
        built["configMapRef"] = {"name": source.config_map_ref.name, "optional": source.config_map_ref.optional}
    return built


def _build_valkey(target: Target) -> list[EnvVar]:
    external = target.spec.valkey.external if target.spec.valkey.mode == "external" else None
    if external is None:
        password = KeyRef(name=target.secret_name, key=kubernetes.VALKEY_PASSWORD_KEY)
        where = {"HOST": target.valkey_name, "PORT": str(kubernetes.VALKEY_PORT), "TLS": "false"}
        return [*_build_prefixed(where), _build_secret("LISTENERS_REDIS_PASSWORD", password)]
    where = {
        "HOST": external.host,
        "PORT": str(external.port),
        "TLS": _word(external.tls.enabled),
        "TLS_VERIFY": _word(external.tls.verify),
    }
    if external.tls.ca_secret_ref:
        where["TLS_CA_FILE"] = f"{CA_FOLDER}/{CA_FILE}"
    login = external.password_secret_ref
    return [*_build_prefixed(where), *([_build_secret("LISTENERS_REDIS_PASSWORD", login)] if login else [])]


def _build_chroma(target: Target) -> list[EnvVar]:
    chroma = target.spec.chroma
    if chroma is None:
        return []
    said = {"CHROMA_HOST": chroma.host, "CHROMA_PORT": str(chroma.port), "CHROMA_SSL": _word(chroma.ssl)}
    token = [_build_secret("CHROMA_TOKEN", chroma.token_secret_ref)] if chroma.token_secret_ref else []
    return [*(_build_plain(name, value) for name, value in said.items()), *token]


def _build_prefixed(values: dict[str, str]) -> list[EnvVar]:
    return [_build_plain(f"LISTENERS_REDIS_{name}", value) for name, value in values.items()]


def _build_plain(name: str, value: str) -> EnvVar:
    if name not in env.BY_NAME:
        raise KeyError(f"{name} is no variable of contract.env")
    return {"name": name, "value": value}


def _build_secret(name: str, ref: KeyRef) -> EnvVar:
    return {"name": name, "valueFrom": {"secretKeyRef": _build_key(ref)}}


def _build_given(variable: SpecEnvVar) -> EnvVar:
    """The CRD asks for one of value, secretKeyRef and configMapKeyRef; none is an empty value."""
    source = variable.value_from
    if source and source.secret_key_ref:
        return _build_secret(variable.name, source.secret_key_ref)
    if source and source.config_map_key_ref:
        return {"name": variable.name, "valueFrom": {"configMapKeyRef": _build_key(source.config_map_key_ref)}}
    return {"name": variable.name, "value": variable.value or ""}


def _build_key(ref: KeyRef) -> KeySelector:
    if ref.optional:
        return {"name": ref.name, "key": ref.key, "optional": True}
    return {"name": ref.name, "key": ref.key}


def _word(value: bool) -> str:
    return "true" if value else "false"
