"""`kubectl pinnokio` as a person runs it, by kubectl, against the real API server; the test plays the operator."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.model import BIN_DIR, REPOSITORY
from tests.controller.cluster.operator import Namespace, Operator, build_service, wait_for
from tests.controller.kubectl import services

pytestmark = pytest.mark.cluster
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def service(place: Namespace) -> Namespace:
    """One whose status says that it is in the middle of a rollout."""
    place.apply(build_service(place.service))
    _tell(place)
    return place


def _tell(place: Namespace, rollout: dict[str, Any] | None = None, **status: Any) -> None:
    told = services.build_service(rollout, **status)["status"]
    patch = json.dumps({"status": told})
    place.kubectl("patch", "pinnokioservice", place.service, "--subresource=status", "--type=merge", "-p", patch)


def _command(place: Namespace, *arguments: str) -> list[str]:
    kubectl = BIN_DIR / "kubectl"
    return [str(kubectl) if kubectl.exists() else "kubectl", "pinnokio", *arguments]


def _environment(place: Namespace, **more: str) -> dict[str, str]:
    path = f"{REPOSITORY / 'bin'}:{BIN_DIR}:{os.environ['PATH']}"
    width = {"COLUMNS": "100", "PYTHONUTF8": "1"}
    return {**os.environ, "PATH": path, "KUBECONFIG": str(place.cluster.kubeconfig), **width, **more}


def _run(place: Namespace, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(place, *arguments),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env=_environment(place, **environment),
    )


def _annotation(place: Namespace, name: str) -> str | None:
    document = place.get("pinnokioservice", place.service) or {}
    value: str | None = document["metadata"].get("annotations", {}).get(f"pinnokio.io/{name}")
    return value


def test_status_is_a_picture(service: Namespace) -> None:
    named = _run(service, "status", service.service, "-n", service.name)
    assert named.returncode == 0, named.stderr
    for words in ("50 %", "acknowledged by 3 of 3 pods", "step 3 of 5 · Analysing", "1,204", "computation"):
        assert words in named.stdout, named.stdout
    assert _run(service, "-n", service.name, "status").stdout.splitlines()[0] == named.stdout.splitlines()[0]
    plain = _run(service, "status", "-n", service.name, PYTHONUTF8="0", PYTHONIOENCODING="ascii").stdout
    assert "###############..............." in plain


def test_watch_shows_each_change(service: Namespace) -> None:
    with subprocess.Popen(
        _command(service, "status", "--watch", "-n", service.name),
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(service),
    ) as watching:
        assert watching.stdout is not None
        watchdog = threading.Timer(WITHIN_S, watching.kill)
        watchdog.start()
        lines = iter(watching.stdout.readline, "")
        assert any("step 3 of 5" in line for line in lines)
        _tell(service, {"step": 4})
        assert any("step 4 of 5" in line for line in lines)
        watchdog.cancel()
        watching.terminate()


@pytest.mark.parametrize(
    ("arguments", "annotation", "starts"),
    [
        (["promote", "--all", "--wait", "0"], "promote", "all "),
        (["rollback", "--wait", "0"], "rollback", "20"),
        (["pause", "--scaling", "in"], "scaling-paused", "in"),
    ],
    ids=["promote to the end", "rollback", "pause scaling"],
)
def test_requests_are_annotations(service: Namespace, arguments: list[str], annotation: str, starts: str) -> None:
    _tell(service)
    result = _run(service, *arguments, "-n", service.name)
    assert result.returncode == 0, result.stderr
    assert (_annotation(service, annotation) or "").startswith(starts)


def test_what_was_paused_is_resumed(service: Namespace) -> None:
    assert _run(service, "pause", "--everything", "-n", service.name).returncode == 0
    assert _annotation(service, "paused") == "true"
    assert _run(service, "resume", "--everything", "-n", service.name).returncode == 0
    assert _annotation(service, "paused") is None


def test_a_rollback_waits_until_every_pod_serves_by_it(service: Namespace) -> None:
    _tell(service)
    before = _annotation(service, "rollback")
    with subprocess.Popen(
        _command(service, "rollback", "-n", service.name, "--wait", str(WITHIN_S)),
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(service),
    ) as asking:
        asked = _wait_for_other(lambda: _annotation(service, "rollback"), before)
        done = {"phase": "RolledBack", "step": 0, "handledRollback": asked}
        off = {"api": "1/1", "queues": "2/2", "flag": "off", "version": "0.1.0"}
        _tell(service, done, summary=off)
        out, _ = asking.communicate(timeout=WITHIN_S)
    assert asking.returncode == 0
    assert "rollback done in" in out
    assert "flag off" in out


def _wait_for_other(read: Callable[[], str | None], before: str | None) -> str:
    return wait_for(read, lambda value: value not in (None, before), WITHIN_S) or ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "nobody"], "no PinnokioService nobody in this namespace (there: demo); see -n"),
        (["promote", "--wait", "1"], "the operator has not acted on it within 1 s: is it running?"),
        (["status", "--context", "nowhere"], "no cluster is chosen"),
        (["status", "--kubeconfig", "/nowhere/config"], "no cluster is chosen"),
        (["status", "--server", "https://127.0.0.1:1"], "no cluster answers"),
        (["rollback", "--as", "eve"], "you may not get pinnokioservices"),
    ],
    ids=["no such service", "no operator", "no context", "no kubeconfig", "no cluster", "not permitted"],
)
def test_what_goes_wrong_is_told_in_one_sentence(service: Namespace, arguments: list[str], words: str) -> None:
    _tell(service)
    given = arguments if "status" in arguments and len(arguments) == 2 else [*arguments, service.service]
    result = _run(service, *given, "-n", service.name)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_several_services_are_asked_apart(service: Namespace) -> None:
    service.apply(build_service("second"))
    result = _run(service, "promote", "-n", service.name)
    assert (result.returncode, "name one: demo, second" in result.stderr) == (1, True)
    both = _run(service, "status", "-n", service.name).stdout
    assert f"{service.name}/demo" in both
    assert f"{service.name}/second · Unknown" in both
    service.kubectl("delete", "pinnokioservice", "second")


def test_a_namespace_without_one_is_told(service: Namespace) -> None:
    result = _run(service, "status", "-n", "default")
    assert (result.returncode, "no PinnokioService in this namespace" in result.stderr) == (1, True)


def test_the_one_documented_command_installs_it(service: Namespace, tmp_path: Path) -> None:
    (tmp_path / "kubectl-pinnokio").symlink_to(REPOSITORY / "bin" / "kubectl-pinnokio")
    path = f"{tmp_path}:{BIN_DIR}:{os.environ['PATH']}"
    result = _run(service, "status", service.service, "-n", service.name, PATH=path)
    assert result.returncode == 0, result.stderr


# Last: from here on an operator says what stands in the status.
def test_the_operator_hears_it(place: Namespace, operator: Operator) -> None:
    """Nothing is placed and no Valkey runs, so that it is heard and cannot be everywhere; that is told."""
    mine = replace(place, service="heard")
    mine.apply(build_service(mine.service, unifiedRegistry={"enabled": True, "rollout": {"steps": [{"percent": 1}]}}))
    wait_for(lambda: mine.status().get("rollout", {}), lambda seen: seen.get("step") == 1, WITHIN_S)
    picture = _run(mine, "status", mine.service, "-n", mine.name).stdout
    assert "step 1 of 1 · Publishing" in picture
    assert "not in Valkey yet" in picture
    result = _run(mine, "rollback", mine.service, "-n", mine.name, "--wait", "10")
    assert result.returncode == 1
    assert "rollback of heard is under way, but not everywhere within 10 s: RollingBack" in result.stderr.replace(
        "step 0 of 1 · ", ""
    )
    assert mine.status()["rollout"]["handledRollback"] == _annotation(mine, "rollback")
