"""What becomes of a task definition: fields, secrets, and what is told as left behind."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.ecs.__main__ import main
from controller.ecs.amounts import format_cpu, format_memory, read_task_cpu, read_task_memory_mib
from controller.ecs.importing import choose_name, import_task_definitions
from controller.ecs.model import Import, TaskDefinitionError
from controller.ecs.reading import read_source
from controller.ecs.rendering import build_commands, render_yaml
from controller.ecs.secrets import build_fetch, is_secret
from controller.model.spec import PinnokioServiceSpec

DEFINITIONS = Path(__file__).with_name("definitions")
SM = "arn:aws:secretsmanager:eu-west-3:111122223333:secret:"


def _import(*containers: Mapping[str, Any], task: Mapping[str, Any] | None = None, **options: Any) -> Import:
    raw = {"family": "demo", "containerDefinitions": list(containers)} | dict(task or {})
    return import_task_definitions([read_source(json.dumps(raw), "taskdef.json")], **options)


def _container(kind: str = "api", name: str | None = None, **fields: Any) -> dict[str, Any]:
    given = {"CONTAINER_TYPE": kind} | fields.pop("env", {})
    environment = [{"name": key, "value": value} for key, value in given.items()]
    secrets = [{"name": key, "valueFrom": value} for key, value in fields.pop("secrets", {}).items()]
    image = "registry.example/pinnokio:1"
    return {"name": name or kind, "image": image, "environment": environment, "secrets": secrets} | fields


def _spec(result: Import) -> dict[str, Any]:
    spec: dict[str, Any] = result.document["spec"]
    PinnokioServiceSpec.model_validate(spec)
    return spec


def _said(lines: Sequence[str], words: str) -> bool:
    return any(words in line for line in lines)


def _read(name: str) -> Import:
    text = (DEFINITIONS / f"{name}.json").read_text()
    return import_task_definitions([read_source(text, f"{name}.json")], desired_count=2)


def test_three_containers_as_they_run_today() -> None:
    result = _read("three_containers")
    spec = _spec(result)
    assert result.name == "pinnokio-prod"
    assert spec["api"]["replicas"] == 2
    assert spec["api"]["resources"] == {"requests": {"cpu": "500m", "memory": "768Mi"}, "limits": {"memory": "1Gi"}}
    assert [queue["name"] for queue in spec["queues"]] == ["default", "computation", "llm", "maintenance"]
    assert {(queue["concurrency"], queue["minReplicas"], queue["maxReplicas"]) for queue in spec["queues"]} == {
        (8, 0, 2)
    }
    assert spec["valkey"]["external"]["tls"] == {"enabled": True, "verify": True}
    assert spec["unifiedRegistry"] == {"enabled": False, "debug": False}
    assert spec["migration"] == {"oldService": True}
    assert spec["chroma"] == {"host": "chroma.internal", "port": 8000}
    assert "version" not in spec
    assert {each["name"] for each in spec["env"]} == {
        "AWS_REGION_NAME", "FIREBASE_ADMIN_JSON", "GOOGLE_PROJECT_ID", "OPENAI_API_KEY"
    }  # fmt: skip
    assert [each["name"] for each in spec["api"]["env"]] == ["LISTENERS_TTL_SECONDS"]
    assert [each["name"] for each in spec["queues"][0]["env"]] == ["OMP_NUM_THREADS"]
    assert [each.key for each in result.secret_keys] == [
        "FIREBASE_ADMIN_JSON", "LISTENERS_REDIS_PASSWORD", "LISTENERS_SERVICE_TOKEN", "OPENAI_API_KEY"
    ]  # fmt: skip
    for words in ("taskRoleArn", "logConfiguration of api, worker, beat", "dependsOn of worker", "stopTimeout"):
        assert _said(result.findings.left, words), words


def test_many_workers_beside_others_images() -> None:
    result = _read("many_workers")
    spec = _spec(result)
    queues = {queue["name"]: queue for queue in spec["queues"]}
    assert set(queues) == {"default", "maintenance", "computation"}
    assert queues["computation"]["concurrency"] == 64
    assert queues["computation"]["softTimeLimitSeconds"] == 1200
    assert spec["routes"] == {"llm_conversation": "default"}
    assert spec["flower"]["basicAuthSecretRef"]["key"] == "FLOWER_BASIC_AUTH"
    assert "valkey" not in spec
    assert "migration" not in spec
    assert {each["name"] for each in spec["api"]["env"]} >= {"LISTENERS_DEBUG", "LISTENERS_HEARTBEAT_INTERVAL"}
    assert spec["envFrom"] == [{"configMapRef": {"name": "pinnokio-staging-env-1"}}]
    assert spec["imagePullSecrets"] == [{"name": "pinnokio-staging-registry"}]
    assert not _said(result.findings.changed, "LISTENERS_SERVICE_TOKEN is unset")
    for words in (
        "LISTENERS_SERVICE_TOKEN may stand in a file",
        "staging.env was not read",
        "container redis",
        "container xray",
        "'Reports'",
        "mountPoints of rpc",
        "port 9000",
        "health check",
    ):
        assert _said(result.findings.left, words), words


@pytest.mark.parametrize("name", ["three_containers", "many_workers", "one_container"])
def test_no_secret_passes_through(name: str) -> None:
    text = render_yaml(_read(name))
    assert "not-real" not in text
    assert "not-a-real-key" not in text
    assert "in-plain-text" not in text


def test_the_yaml_is_the_document_and_its_comments_cannot_be_broken_out_of() -> None:
    result = _import(_container(), task={"family": "a\nspec: {image: other}"})
    assert yaml.safe_load(render_yaml(result)) == result.document


@pytest.mark.parametrize(
    ("containers", "field", "value"),
    [
        ([_container(env={"LOG_LEVEL": "warn"})], "logLevel", "WARNING"),
        ([_container(env={"SERVICE_VERSION": "2.0"})], "version", "2.0"),
        ([_container(env={"UNIFIED_REGISTRY_ENABLED": "True"})], "unifiedRegistry", {"enabled": True, "debug": False}),
        ([_container(env={"USE_LOCAL_REDIS": "true", "LISTENERS_REDIS_HOST": "h"})], "valkey", None),
        ([_container(env={"LISTENERS_REDIS_HOST": "localhost"})], "valkey", None),
        (
            [_container(env={"LISTENERS_REDIS_HOST": "h", "LISTENERS_REDIS_TLS_VERIFY": "false"})],
            "valkey",
            {"mode": "external", "external": {"host": "h", "port": 6379}},
        ),
        ([_container(), _container("worker", env={"TASK_ROUTES": "a=llm"})], "routes", {"a": "llm"}),
        (
            [_container(secrets={"LISTENERS_SERVICE_TOKEN": "t"}, env={"WS_AUTH": "token"})],
            "api",
            {
                "replicas": 1,
                "auth": {
                    "tokenSecretRef": {"name": "demo-secrets", "key": "LISTENERS_SERVICE_TOKEN"},
                    "websocket": True,
                },
            },
        ),
    ],
    ids=["level", "version", "flag", "local", "localhost", "external", "routes", "token for /ws"],
)
def test_variables_become_fields(containers: list[dict[str, Any]], field: str, value: object) -> None:
    assert _spec(_import(*containers)).get(field) == value


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (_container(secrets={"LISTENERS_REDIS_HOST": "p"}), "LISTENERS_REDIS_HOST comes from p: write the host into"),
        (_container(secrets={"UNIFIED_REGISTRY_ENABLED": "p"}), "its field takes a value: fill it in"),
        (_container(env={"LISTENERS_REDIS_HOST": "h", "LISTENERS_REDIS_DB": "3"}), "database 0 is used"),
        (_container(env={"LISTENERS_REDIS_HOST": "h", "LISTENERS_REDIS_PORT": "x"}), "'x', no number"),
        (_container(env={"LOG_LEVEL": "loud"}), "LOG_LEVEL LOUD: INFO is taken"),
        (_container(env={"PORT": "80"}), "PORT 80: the API listens on 8090"),
        (_container(env={"MY.VAR": "1"}), "MY.VAR (no name of a variable in Kubernetes)"),
        (_container(env={"BIG": "x" * 8193}), "put it into a ConfigMap"),
        (_container(env={f"A{number}": "x" for number in range(65)}), "spec.api.env takes 64"),
        (_container(memory=100, memoryReservation=200), "memoryReservation 200 is above memory 100"),
        (
            _container(env={
                "LISTENERS_REDIS_HOST": "h", "LISTENERS_REDIS_TLS": "1", "LISTENERS_REDIS_TLS_CA_FILE": "/ca.pem"
            }),
            "LISTENERS_REDIS_TLS_CA_FILE (/ca.pem): put that certificate into a Secret and name it in spec.valkey",
        ),
        (
            _container(env={"LISTENERS_REDIS_HOST": "h", "LISTENERS_REDIS_TLS_CA_FILE": "/ca.pem"}),
            "LISTENERS_REDIS_TLS_CA_FILE (/ca.pem), which nothing used: LISTENERS_REDIS_TLS is off: put that",
        ),
        (_container("worker", env={"CELERY_SOFT_TIME_LIMIT_S": "200000"}), "Seconds 200000; the most is 7139 s"),
        (
            _container("worker", command=["celery", "worker", "--soft-time-limit=60", "--time-limit=9000"]),
            "hardTimeLimitSeconds 9000; the most is 7199 s",
        ),
        (_container(madeUp={"a": 1}), "madeUp of api: there is no field for it"),
    ],
    ids=[
        "host from a secret", "flag from a secret", "database", "port", "level", "port of the API", "name", "long",
        "many", "memory", "authority", "authority without TLS", "soft limit",
        "hard limit", "unknown key",
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over_is_told(container: dict[str, Any], words: str) -> None:
    result = _import(container)
    _spec(result)
    assert _said(result.findings.left, words)


def test_the_highest_limits_are_carried_over() -> None:
    result = _import(_container("worker", command=["celery", "--soft-time-limit=7198", "--time-limit=7199"]))
    queue = _spec(result)["queues"][0]
    assert (queue["softTimeLimitSeconds"], queue["hardTimeLimitSeconds"]) == (7198, 7199)
    assert not _said(result.findings.left, "TimeLimit")


def test_parts_that_disagree_are_told() -> None:
    result = _import(
        _container(env={"A": "1", "LOG_LEVEL": "INFO"}, secrets={"S": "one"}),
        _container(
            "worker", env={"A": "2", "LOG_LEVEL": "DEBUG"}, secrets={"S": "two"}, image="registry.example/other"
        ),
        _container("api", "second"),
    )
    spec = _spec(result)
    values = [each.get("value") for each in (*spec["api"]["env"], *spec["queues"][0]["env"])]
    assert values == ["1", None, "2", None]
    assert [each.key for each in result.secret_keys] == ["S", "S.worker"]
    for words in ("another LOG_LEVEL", "image registry.example/other", "container of type api already"):
        assert _said(result.findings.left, words), words


def test_a_container_without_amounts_in_a_task_of_several_is_told() -> None:
    result = _import(_container(), _container("worker"), task={"cpu": "1024", "memory": "2048"})
    assert "resources" not in _spec(result)["api"]
    assert _said(result.findings.left, "only a share of the task's (1024 CPU, 2048 memory)")


def test_api_and_workers_from_two_task_definitions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for kind in ("worker", "api"):
        file = tmp_path / f"{kind}.json"
        file.write_text(json.dumps({"family": kind, "containerDefinitions": [_container(kind)]}))
        files.append(str(file))
    made = tmp_path / "service.yaml"
    assert main(["import", *files, "--name", "both", "--desired-count", "3", "-o", str(made)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "worker, api: everything was carried over." in err
    document = yaml.safe_load(made.read_text())
    assert document["metadata"]["name"] == "both"
    assert document["spec"]["queues"][0]["maxReplicas"] == 3


def test_containers_of_others_alone_are_no_service() -> None:
    with pytest.raises(TaskDefinitionError, match="no container is a part of the service"):
        _import({"name": "web", "image": "nginx:1"})


@pytest.mark.parametrize("name", ["1st", "A", "x" * 41, "a.b", "a\nb"])
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(TaskDefinitionError, match="at most 40 lower-case letters"):
        _import(_container(), name=name)


@pytest.mark.parametrize(
    ("family", "name"),
    [("Pinnokio_Prod", "pinnokio-prod"), ("9-lives", "lives"), ("--", "imported"), ("x" * 60, "x" * 40)],
)
def test_the_name_from_the_family(family: str, name: str) -> None:
    assert choose_name(family) == name


@pytest.mark.parametrize(
    ("text", "cpu", "memory"),
    [
        ("1024", 1024, 1024),
        (".5 vCPU", 512, None),
        ("2vcpu", 2048, None),
        ("0.5 GB", None, 512),
        ("4GB", None, 4096),
        ("much", None, None),
        (None, None, None),
    ],
)
def test_amounts_of_a_whole_task(text: str | None, cpu: int | None, memory: int | None) -> None:
    assert (read_task_cpu(text), read_task_memory_mib(text)) == (cpu, memory)


@pytest.mark.parametrize(
    ("units", "mib", "words"),
    [(1024, 1024, ("1", "1Gi")), (256, 768, ("250m", "768Mi")), (100, 6144, ("98m", "6Gi")), (0, None, (None, None))],
)
def test_amounts_in_kubernetes_words(units: int, mib: int | None, words: tuple[str | None, str | None]) -> None:
    assert (format_cpu(units), format_memory(mib)) == words


@pytest.mark.parametrize(
    ("value_from", "words"),
    [
        (f"{SM}p/redis-AbCdEf", [f"--secret-id {SM}p/redis-AbCdEf", "--region eu-west-3"]),
        (f"{SM}p-AbCdEf:pass word::", ["""| jq -r '.["pass word"]'"""]),
        (f"{SM}p-AbCdEf::AWSPREVIOUS:v1", ["--version-stage AWSPREVIOUS", "--version-id v1"]),
        ("arn:aws:ssm:eu-west-3:111122223333:parameter/a/b", ["--name /a/b ", "--region eu-west-3"]),
        ("arn:aws:ssm:eu-west-3:111122223333:parameter/a", ["--name a "]),
        ("it's; rm -rf", ["""--name 'it'"'"'s; rm -rf' """]),
    ],
    ids=["secret", "a key of JSON", "stage and version", "parameter with a path", "parameter", "quoted"],
)
def test_the_command_that_fetches_a_secret(value_from: str, words: list[str]) -> None:
    command = build_fetch(value_from)
    assert [word for word in words if word not in command] == []


def test_the_commands_make_one_secret() -> None:
    commands = build_commands(_import(_container(secrets={"A": "a", "B": "b"})))
    assert commands[0] == "kubectl create secret generic demo-secrets \\"
    assert [line.split("=")[0].strip() for line in commands[1:]] == ["--from-literal", "--from-literal"]
    assert not commands[-1].endswith("\\")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OPENAI_API_KEY", "x", True),
        ("AWS_SECRET_ACCESS_KEY", "x", True),
        ("DB_PASSWORD", "x", True),
        ("DB_PASSWORD", "", False),
        ("OPENAI_MAX_TOKENS", "100", False),
        ("LISTENERS_TTL_SECONDS", "90", False),
        ("BROKER", "redis://user:pass@host", True),
        ("OPENAI_BASE_URL", "https://api.example", False),
    ],
)
def test_what_is_a_secret(name: str, value: str, expected: bool) -> None:
    assert is_secret(name, value) is expected
