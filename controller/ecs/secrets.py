"""Secrets: a key of one Kubernetes Secret for each, and the shell command that fetches its value. No value passes here.

A value that stands in plain text in the task definition and looks like a secret is fetched from that file.
"""

import json
import re
import shlex
from typing import Final

from contract import env
from controller.ecs.model import Part, SecretKey
from controller.model.base import JsonObject

_WORDS: Final = re.compile(
    r"(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|KEY|DSN|BASIC_AUTH)$|(^|_)PRIVATE_|SERVICE_ACCOUNT"
)
_LOGIN_IN_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_TASK: Final = 'if type=="array" then {containerDefinitions:.} else (.taskDefinition // .) end'


def is_secret(name: str, value: str) -> bool:
    """Whether a value in plain text belongs into a Secret: by the contract, by its name, or a login in a URL."""
    known = env.BY_NAME.get(name)
    if known is not None:
        return bool(value) and (known.secret or _LOGIN_IN_URL.match(value) is not None)
    return bool(value) and (_WORDS.search(name.upper()) is not None or _LOGIN_IN_URL.match(value) is not None)


class SecretKeys:
    """Collects keys of the Secret `name`. The same variable from another source gets a key of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fetch: dict[str, str] = {}

    def refer(self, part: Part, variable: str, value_from: str | None) -> JsonObject:
        """`{name, key}` of the variable. `value_from` None: its value stands in the task definition itself."""
        fetch = build_fetch(value_from) if value_from else _build_fetch_from_file(part, variable)
        key = variable
        if self._fetch.get(key, fetch) != fetch:
            key = f"{variable}.{re.sub(r'[^-._A-Za-z0-9]', '-', part.container.name)}"
        self._fetch[key] = fetch
        return {"name": self.name, "key": key}

    @property
    def keys(self) -> tuple[SecretKey, ...]:
        return tuple(SecretKey(key, fetch) for key, fetch in sorted(self._fetch.items()))


def build_fetch(value_from: str) -> str:
    """A command that prints the value of a `valueFrom`: Secrets Manager by its ARN, else the Parameter Store."""
    fields = value_from.split(":")
    if value_from.startswith("arn:") and len(fields) > 6 and fields[2] == "secretsmanager":
        return _build_secrets_manager(fields)
    if value_from.startswith("arn:") and len(fields) == 6 and fields[2] == "ssm":
        path = fields[5].removeprefix("parameter/")
        return _build_parameter("/" + path if "/" in path else path, fields[3])
    return _build_parameter(value_from, None)


def _build_secrets_manager(fields: list[str]) -> str:
    """`arn:…:secret:NAME[:JSON-KEY[:STAGE[:VERSION]]]`."""
    json_key, stage, version = [*fields[7:], "", "", ""][:3]
    words = ["aws", "secretsmanager", "get-secret-value", "--region", fields[3], "--secret-id", ":".join(fields[:7])]
    words += ["--version-stage", stage] if stage else []
    words += ["--version-id", version] if version else []
    command = shlex.join([*words, "--query", "SecretString", "--output", "text"])
    return f"{command} | jq -r {shlex.quote('.[' + json.dumps(json_key) + ']')}" if json_key else command


def _build_parameter(name: str, region: str | None) -> str:
    where = ["--region", region] if region else []
    words = ["aws", "ssm", "get-parameter", *where, "--name", name, "--with-decryption"]
    return shlex.join([*words, "--query", "Parameter.Value", "--output", "text"])


def _build_fetch_from_file(part: Part, variable: str) -> str:
    container, name = json.dumps(part.container.name), json.dumps(variable)
    path = f"({_TASK}).containerDefinitions[] | select(.name=={container}).environment[] | select(.name=={name}).value"
    return shlex.join(["jq", "-r", path, part.source.file])
