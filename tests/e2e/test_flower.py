"""Flower on the real cluster: it comes with a login of its own, shows the workers to who has it, and goes again."""

import base64

import httpx
import pytest

from tests.e2e.conftest import Release

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def test_flower_comes_with_a_login_and_restarts_nothing(released: Release) -> None:
    before = released.pod_uids("!=flower")
    released.change(flower={"enabled": True})
    url = f"http://{released.service_address('flower')}:5555"
    assert httpx.get(f"{url}/healthcheck").text == "OK"
    assert httpx.get(f"{url}/workers").status_code == 401
    secret = released.kubectl("get", "secret", f"{released.name}-auth", "-o", "jsonpath={.data.flower}")
    user, _, password = base64.b64decode(secret).decode().partition(":")
    assert user == "pinnokio"
    page = httpx.get(f"{url}/workers", auth=(user, password), params={"json": "1"})
    assert page.status_code == 200
    assert [each["hostname"] for each in page.json()["data"]]
    released.change(flower=None)
    assert released.pod_uids("!=flower") == before
