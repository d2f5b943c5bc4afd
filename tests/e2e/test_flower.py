"""Flower on the real cluster: it comes with a login of its own, shows the workers to who has it, and goes again."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.e2e import release
from tests.e2e.conftest import Release

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def test_flower_comes_with_a_login_and_restarts_nothing(released: Release) -> None:
    before = _pods(released)
    _change(released, {"flower": {"enabled": True}})
    url = f"http://{released.service_address('flower')}:5555"
    assert httpx.get(f"{url}/healthcheck").text == "OK"
    assert httpx.get(f"{url}/workers").status_code == 401
    secret = released.kubectl("get", "secret", f"{released.name}-auth", "-o", "jsonpath={.data.flower}")
    user, _, password = base64.b64decode(secret).decode().partition(":")
    assert user == "pinnokio"
    page = httpx.get(f"{url}/workers", auth=(user, password), params={"json": "1"})
    assert page.status_code == 200
    assert [each["hostname"] for each in page.json()["data"]]
    _change(released, {"flower": None})
    assert _pods(released) == before


def _change(released: Release, spec: dict[str, Any]) -> None:
    released.kubectl("patch", "pinnokioservice", released.name, "--type=merge", "-p", json.dumps({"spec": spec}))
    release.wait_ready(released.cluster, released.namespace, released.name)


def _pods(released: Release) -> set[str]:
    """Uids of the pods of all parts but Flower."""
    selector = f"app.kubernetes.io/instance={released.name},app.kubernetes.io/component!=flower"
    pods = json.loads(released.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return {pod["metadata"]["uid"] for pod in pods}
