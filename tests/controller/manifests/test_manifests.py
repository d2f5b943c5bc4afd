"""What is built: restricted pods, names of the contract, nothing that changes without the spec."""

import json
from typing import Any, cast

import pytest

from contract import env
from contract.flag import FlagDocument, decode
from controller.manifests.target import GeneratedSecret, Target
from controller.model.base import JsonObject
from tests.controller.builders import KEY, UID, build_all, build_spec, build_target


def _by_name(target: Target) -> dict[str, JsonObject]:
    built = cast("list[JsonObject]", build_all(target))
    return {f"{manifest['kind']}/{manifest['metadata']['name']}": manifest for manifest in built}


def _pods(target: Target) -> dict[str, JsonObject]:
    return {
        name: each["spec"]["template"] for name, each in _by_name(target).items() if "template" in each.get("spec", {})
    }


def _env(container: JsonObject) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


def test_the_default_spec_becomes_these_objects() -> None:
    assert set(_by_name(build_target())) == {
        "Secret/demo-auth",
        "ConfigMap/demo-flag",
        "Service/demo-valkey",
        "StatefulSet/demo-valkey",
        "Service/demo-api",
        "Deployment/demo-api",
        "Deployment/demo-worker-default",
        "Deployment/demo-worker-computation",
        "Deployment/demo-worker-llm",
        "Deployment/demo-worker-maintenance",
        "Deployment/demo-beat",
        "NetworkPolicy/demo-api",
        "NetworkPolicy/demo-beat",
        "NetworkPolicy/demo-valkey",
        "NetworkPolicy/demo-worker",
        "PodDisruptionBudget/demo-api",
    }


def test_every_object_is_owned_and_labelled() -> None:
    for manifest in _by_name(build_target()).values():
        meta = manifest["metadata"]
        assert meta["namespace"] == KEY.namespace
        assert [(owner["uid"], owner["controller"]) for owner in meta["ownerReferences"]] == [(UID, True)]
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "pinnokio-operator"
        assert meta["labels"]["app.kubernetes.io/instance"] == "demo"


def test_every_pod_is_restricted() -> None:
    """The restricted level of the Pod Security Standards, and a root file system that cannot be written."""
    for name, template in _pods(build_target(flower={"enabled": True})).items():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False
        assert pod["shareProcessNamespace"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]
            assert container["livenessProbe"]
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert "/tmp" in mounted


def test_pods_leave_a_lost_node_soon_but_for_the_one_with_a_volume() -> None:
    pods = _pods(build_target(flower={"enabled": True}))
    assert "tolerations" not in pods.pop("StatefulSet/demo-valkey")["spec"]
    for name, template in pods.items():
        kept_s = {each["key"]: each["tolerationSeconds"] for each in template["spec"]["tolerations"]}
        assert kept_s == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}, name


def test_variables_are_those_of_the_contract() -> None:
    for name, template in _pods(build_target(flower={"enabled": True}, chroma={"host": "chroma"})).items():
        for container in template["spec"]["containers"]:
            names = [variable["name"] for variable in container["env"]]
            assert len(names) == len(set(names))
            if not name.endswith("valkey"):
                assert set(names) <= set(env.BY_NAME), name


def test_a_workers_environment() -> None:
    target = build_target(
        queues=[{"name": "computation", "concurrency": 3, "minReplicas": 2}], routes={"cleanup": "computation"}
    )
    worker = _by_name(target)["Deployment/demo-worker-computation"]
    said = _env(worker["spec"]["template"]["spec"]["containers"][0])
    assert worker["spec"]["replicas"] == 2
    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 1860 + 30
    assert said["CONTAINER_TYPE"] == "worker"
    assert said["CELERY_QUEUES"] == "computation"
    assert said["CELERY_CONCURRENCY"] == "3"
    assert said["CELERY_SOFT_TIME_LIMIT_S"] == "1800"
    assert said["TASK_ROUTES"] == "cleanup=computation"
    assert said["LISTENERS_REDIS_HOST"] == "demo-valkey"
    assert said["LISTENERS_REDIS_PASSWORD"] == {"secretKeyRef": {"name": "demo-auth", "key": "valkey-password"}}


def test_an_external_valkey_takes_the_place_of_the_embedded_one() -> None:
    external = {
        "host": "cache.example",
        "port": 6380,
        "tls": {"enabled": True, "verify": False},
        "passwordSecretRef": {"name": "s", "key": "k"},
    }
    target = build_target(valkey={"mode": "external", "external": external})
    assert not any("valkey" in name for name in _by_name(target))
    said = _env(_pods(target)["Deployment/demo-api"]["spec"]["containers"][0])
    assert said["LISTENERS_REDIS_HOST"] == "cache.example"
    assert said["LISTENERS_REDIS_PORT"] == "6380"
    assert said["LISTENERS_REDIS_TLS"] == "true"
    assert said["LISTENERS_REDIS_TLS_VERIFY"] == "false"
    assert said["LISTENERS_REDIS_PASSWORD"] == {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({}, {"secretKeyRef": {"name": "demo-auth", "key": "token"}}),
        ({"tokenSecretRef": {"name": "s", "key": "k"}}, {"secretKeyRef": {"name": "s", "key": "k"}}),
        ({"disabled": True}, None),
    ],
)
def test_the_token(auth: dict[str, Any], expected: object) -> None:
    said = _env(_pods(build_target(api={"auth": auth}))["Deployment/demo-api"]["spec"]["containers"][0])
    assert said.get("LISTENERS_SERVICE_TOKEN") == expected


def test_variables_of_a_part_win_over_those_of_all() -> None:
    target = build_target(
        env=[{"name": "A", "value": "all"}, {"name": "B", "value": "all"}],
        api={"env": [{"name": "A", "value": "api"}]},
        envFrom=[{"secretRef": {"name": "more"}}],
    )
    pods = _pods(target)
    api, beat = (pods[name]["spec"]["containers"][0] for name in ("Deployment/demo-api", "Deployment/demo-beat"))
    assert (_env(api)["A"], _env(api)["B"], _env(beat)["A"]) == ("api", "all", "all")
    assert api["envFrom"] == [{"secretRef": {"name": "more", "optional": False}}]
    # Whatever stands in there: the operator looks for tasks under the one that it knows.
    assert _env(api)["CELERY_KEY_PREFIX"] == _env(beat)["CELERY_KEY_PREFIX"] == target.spec.celery_key_prefix


def test_the_flag_changes_no_pod() -> None:
    spec = build_spec()
    secret = GeneratedSecret({"token": "t", "valkey-password": "p"}, None)
    off = Target(KEY, UID, spec, secret, FlagDocument(revision=1))
    on = Target(KEY, UID, spec, secret, FlagDocument(revision=2, enabled=True, debug=True))
    assert _pods(off) == _pods(on)
    flag = _by_name(on)["ConfigMap/demo-flag"]["data"]["flag.json"]
    assert decode(flag).enabled


def test_the_level_of_the_logs_changes_no_pod() -> None:
    quiet, loud = (build_target(logLevel=level) for level in ("INFO", "DEBUG"))
    assert _pods(quiet) == _pods(loud)


def test_a_new_secret_restarts_every_pod() -> None:
    spec = build_spec()
    made = [
        Target(KEY, UID, spec, GeneratedSecret({"valkey-password": word}, None), FlagDocument())
        for word in ("one", "two")
    ]
    before, after = (_pods(target) for target in made)
    assert all(before[name] != after[name] for name in before)


@pytest.mark.parametrize(
    ("resources", "maxmemory"),
    [(None, "402653184"), ({"limits": {"memory": "1Gi"}}, "805306368"), ({"limits": {"cpu": 1}}, None)],
)
def test_valkey_refuses_writes_before_it_is_killed(resources: dict[str, Any] | None, maxmemory: str | None) -> None:
    container = _pods(build_target(valkey={"embedded": {"resources": resources}}))["StatefulSet/demo-valkey"]["spec"][
        "containers"
    ][0]
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert options.get("--maxmemory") == maxmemory
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--requirepass"] == "$(VALKEY_PASSWORD)"


@pytest.mark.parametrize(("retain", "policy"), [(True, "Retain"), (False, "Delete")])
def test_the_volume_is_kept_unless_told_otherwise(retain: bool, policy: str) -> None:
    spec = _by_name(build_target(valkey={"embedded": {"storage": {"retain": retain}}}))["StatefulSet/demo-valkey"][
        "spec"
    ]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy
    assert "ownerReferences" not in spec["volumeClaimTemplates"][0]["metadata"]


def test_a_valkey_that_cannot_start_is_replaced_all_the_same() -> None:
    assert _by_name(build_target())["StatefulSet/demo-valkey"]["spec"]["podManagementPolicy"] == "Parallel"


def test_the_same_target_builds_the_same_text() -> None:
    assert json.dumps(build_all(build_target())) == json.dumps(build_all(build_target()))


def test_names_and_labels_of_the_longest_names_fit() -> None:
    key = KEY.__class__("place", "x" * 40)
    target = Target(key, UID, build_spec(queues=[{"name": "q" * 40}]), None, FlagDocument())
    for name, manifest in _by_name(target).items():
        # Ten characters and a dash: the revision that a StatefulSet puts into a label of its pods.
        room = 63 - 11 if manifest["kind"] == "StatefulSet" else 63 if manifest["kind"] == "Service" else 253
        assert len(manifest["metadata"]["name"]) <= room, name
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())


@pytest.mark.parametrize(
    ("maintenance", "said"),
    [
        pytest.param({"minReplicas": 0}, "cleanup,health_check,recovery,quota_repair,figures", id="its workers sleep"),
        pytest.param({"minReplicas": 1}, None, id="its workers are there"),
    ],
)
def test_beat_runs_the_chores_of_a_queue_that_may_sleep(maintenance: dict[str, Any], said: str | None) -> None:
    queues = [{"name": name} for name in ("default", "computation", "llm")]
    target = build_target(build_spec(queues=[*queues, {"name": "maintenance", **maintenance}]))
    beat = _pods(target)["Deployment/demo-beat"]["spec"]["containers"][0]
    assert _env(beat).get("BEAT_RUNS") == said


def test_a_new_route_changes_the_pods_of_its_two_queues_and_beats() -> None:
    queues = [{"name": name} for name in ("default", "computation", "llm", "maintenance", "heavy")]
    before, after = (
        _pods(build_target(build_spec(queues=queues, routes=routes))) for routes in ({}, {"ml_analysis": "heavy"})
    )
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"Deployment/demo-worker-computation", "Deployment/demo-worker-heavy", "Deployment/demo-beat"}


@pytest.mark.parametrize(
    ("queue", "replaced_above", "refused_above"),
    [
        pytest.param({}, "224", "320", id="by default"),
        pytest.param({"concurrency": 1, "resources": {"limits": {"memory": "2Gi"}}}, "1920", "2016", id="of its own"),
        pytest.param({"resources": {"limits": {"memory": "256Mi"}}}, "128", "128", id="too small to share"),
        pytest.param({"resources": {"limits": {"cpu": 1}}}, None, None, id="no limit"),
        pytest.param(
            {"env": [{"name": "WORKER_CHILD_MEMORY_LIMIT_MB", "value": "0"}]}, "224", "0", id="switched off by the spec"
        ),
    ],
)
def test_a_workers_processes_share_the_memory_of_their_pod(
    queue: dict[str, Any], replaced_above: str | None, refused_above: str | None
) -> None:
    target = build_target(build_spec(queues=[{"name": "default"}, {"name": "computation", **queue}]))
    container = _pods(target)["Deployment/demo-worker-computation"]["spec"]["containers"][0]
    said = _env(container)
    assert said.get("WORKER_MAX_MEMORY_PER_CHILD_MB") == replaced_above
    assert said.get("WORKER_CHILD_MEMORY_LIMIT_MB") == refused_above
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names)), "the API server refuses a variable that is there twice"


@pytest.mark.parametrize(
    ("moved", "kind"),
    [
        pytest.param([], "tcpSocket", id="where the operator put it"),
        pytest.param([{"name": "WORKER_METRICS_PORT", "value": "0"}], "exec", id="moved by the spec"),
    ],
)
def test_a_worker_has_started_when_its_figures_are_served(moved: list[dict[str, str]], kind: str) -> None:
    target = build_target(build_spec(queues=[{"name": "default"}, {"name": "computation", "env": moved}]))
    worker = _pods(target)["Deployment/demo-worker-computation"]["spec"]["containers"][0]
    assert kind in worker["startupProbe"]
    assert "exec" in worker["livenessProbe"]
