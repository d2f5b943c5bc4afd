"""Fields of the spec that variables stand for in ECS: the store, Chroma, the token, the flag, the words of the log."""

from collections.abc import Sequence
from typing import Final

from contract.kubernetes import API_PORT, VALKEY_PORT
from controller.ecs.model import API, FLOWER, Findings, Part
from controller.ecs.parts import is_store
from controller.ecs.variables import Variables
from controller.model.base import JsonObject

# Stands where a host is not known; `.invalid` never resolves (RFC 2606).
UNKNOWN_HOST: Final = "set-me.invalid"
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})
_LEVELS: Final = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR", "TRACE": "DEBUG", "NOTSET": "DEBUG"}
_VERSION_MAX: Final = 63
# The operator sets these, and no field stands for them.
_SET_BY_THE_OPERATOR: Final = (
    "BEAT_SCHEDULE_FILE", "CONTAINER_TYPE", "FLAG_FILE", "POD_NAME", "WORKER_HEARTBEAT_FILE", "WORKER_METRICS_PORT"
)  # fmt: skip


def build_valkey(variables: Variables, parts: Sequence[Part], findings: Findings) -> JsonObject | None:
    """External by LISTENERS_REDIS_…; None, the embedded one, for USE_LOCAL_REDIS, a Redis beside it, or no host."""
    is_local = variables.take_bool("USE_LOCAL_REDIS")
    given = variables.take("LISTENERS_REDIS_HOST")
    port, database = variables.take_int("LISTENERS_REDIS_PORT"), variables.take_int("LISTENERS_REDIS_DB")
    tls, verify = variables.take_bool("LISTENERS_REDIS_TLS"), variables.take_bool("LISTENERS_REDIS_TLS_VERIFY")
    login = variables.take_ref("LISTENERS_REDIS_PASSWORD") if given and not is_local else None
    variables.drop("LISTENERS_REDIS_PASSWORD")
    authority = variables.take("LISTENERS_REDIS_TLS_CA_FILE")
    host = given.value.strip() if given else ""
    if given and given.value_from:
        host = UNKNOWN_HOST
        findings.left.append(
            f"LISTENERS_REDIS_HOST comes from {given.value_from}: write the host into spec.valkey.external.host"
        )
    if is_local or not host or host in _HERE or _is_beside(host, parts):
        findings.changed.append("the store is a Valkey that the operator runs; what is in today's Redis does not move")
        return None
    if database:
        findings.left.append(f"LISTENERS_REDIS_DB {database}: database 0 is used, the only one in cluster mode")
    external: JsonObject = {"host": host, "port": port or VALKEY_PORT}
    if tls:
        external["tls"] = {"enabled": True, "verify": verify is not False}
    if authority:
        unused = "" if tls else ", which nothing used: LISTENERS_REDIS_TLS is off"
        findings.left.append(
            f"LISTENERS_REDIS_TLS_CA_FILE ({authority.value or authority.value_from}){unused}: put that certificate"
            " into a Secret and name it in spec.valkey.external.tls.caSecretRef"
        )
    return {"mode": "external", "external": external | ({"passwordSecretRef": login} if login else {})}


def _is_beside(host: str, parts: Sequence[Part]) -> bool:
    beside = {each.name for part in parts for each in part.source.task.container_definitions if is_store(each.image)}
    return host in beside


def build_chroma(variables: Variables, findings: Findings) -> JsonObject | None:
    """`spec.chroma` by CHROMA_…; None: Chroma is not used."""
    host, port = variables.take_plain("CHROMA_HOST"), variables.take_int("CHROMA_PORT")
    ssl, token = variables.take_bool("CHROMA_SSL"), variables.take_ref("CHROMA_TOKEN")
    if host is None:
        return None
    findings.changed.append(
        f"Chroma {host}: the service speaks its version 2 API; a server before 1.0 is stepped up first"
        " (docs/migration.md)"
    )
    chroma: JsonObject = {"host": host} | ({"port": port} if port else {}) | ({"ssl": True} if ssl else {})
    return chroma | ({"tokenSecretRef": token} if token else {})


def build_auth(variables: Variables, findings: Findings, *, has_files: bool) -> JsonObject:
    """No token in ECS: none is asked for, so that Reflex goes on without a change.

    `has_files`: variables stand in files that are not read.
    """
    token = variables.take_ref("LISTENERS_SERVICE_TOKEN")
    asks = (variables.take_plain("WS_AUTH") or "").lower() == "token"
    if token is None and has_files:
        findings.left.append(
            "LISTENERS_SERVICE_TOKEN may stand in a file of environmentFiles, and no token is asked for: put it into a"
            " Secret and name it in spec.api.auth.tokenSecretRef in place of spec.api.auth.disabled"
        )
    elif token is None:
        findings.changed.append(
            "LISTENERS_SERVICE_TOKEN is unset, so that no token is asked for, as today: give Reflex one and remove"
            " spec.api.auth.disabled before the API is reachable from outside"
        )
    if token is None:
        return {"disabled": True}
    return {"tokenSecretRef": token} | ({"websocket": True} if asks else {})


def build_migration(variables: Variables, findings: Findings, *, is_shared: bool) -> JsonObject | None:
    """On a store that the old service uses too (`is_shared`), it still writes there until the move is done."""
    variables.drop("LEGACY_SESSION_SCAN")
    if not is_shared:
        return None
    findings.changed.append("the old service still writes to that store: remove spec.migration once it is gone")
    return {"oldService": True}


def build_flag(variables: Variables) -> JsonObject:
    enabled, debug = variables.take_bool("UNIFIED_REGISTRY_ENABLED"), variables.take_bool("REGISTRY_DEBUG")
    return {"enabled": bool(enabled), "debug": bool(debug)}


def build_words(variables: Variables, image: str, findings: Findings) -> JsonObject:
    """`version` and `logLevel`, where they are not what they would be anyway."""
    version, level = variables.take_plain("SERVICE_VERSION"), (variables.take_plain("LOG_LEVEL") or "").upper()
    port = variables.take_plain("PORT")
    variables.drop(*_SET_BY_THE_OPERATOR)
    level = _LEVELS.get(level, level)
    words: JsonObject = {}
    if version and len(version) <= _VERSION_MAX and not image.endswith(f":{version}"):
        words["version"] = version
    if level in ("DEBUG", "WARNING", "ERROR"):
        words["logLevel"] = level
    elif level not in ("", "INFO"):
        findings.left.append(f"LOG_LEVEL {level}: INFO is taken; spec.logLevel takes DEBUG, INFO, WARNING or ERROR")
    if port not in (None, str(API_PORT)):
        findings.left.append(
            f"PORT {port}: the API listens on {API_PORT} of the Service NAME-api; say so to its callers"
        )
    return words


def build_flower(variables: Variables, parts: Sequence[Part], resources: JsonObject | None) -> JsonObject | None:
    login = variables.take_ref("FLOWER_BASIC_AUTH")
    if not any(part.kind == FLOWER for part in parts):
        return None
    flower: JsonObject = {"enabled": True} | ({"basicAuthSecretRef": login} if login else {})
    return flower | ({"resources": resources} if resources else {})


def choose_image(parts: Sequence[Part], findings: Findings) -> str:
    """The API's, else the first part's: there is one image for all."""
    first = next((part for part in parts if part.kind == API), parts[0])
    for part in parts:
        if part.container.image != first.container.image:
            findings.left.append(
                f"container {part.container.name}: image {part.container.image}; all parts run {first.container.image}"
            )
    return first.container.image
