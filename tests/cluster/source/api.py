"""A few words with the API server, over TLS with the administrator's certificate: read, apply, delete, wait."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.cluster.model import ClusterError
from tests.cluster.source.layout import API_PORT, Layout

FIELD_MANAGER = "pinnokio-cluster"
POLL_S = 0.1


class Api:
    """The cluster's API server; every call opens a connection of its own."""

    def __init__(self, layout: Layout) -> None:
        self._address = layout.api_address
        self._tls = ssl.create_default_context(cafile=str(layout.pki_dir / "ca.crt"))
        self._tls.load_cert_chain(layout.pki_dir / "admin.crt", layout.pki_dir / "admin.key")

    def is_ready(self) -> bool:
        try:
            return self._request("GET", "/readyz")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def read(self, path: str) -> dict[str, Any] | None:
        """The object at a path; None when there is none."""
        status, body = self._request("GET", path)
        if status == http.client.NOT_FOUND:
            return None
        return self._answer("GET", path, status, body)

    def apply(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply a manifest at its path."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        status, body = self._request("PATCH", path + query, json.dumps(manifest), "application/apply-patch+yaml")
        return self._answer("PATCH", path, status, body)

    def delete(self, path: str) -> None:
        """Gone already is fine."""
        status, body = self._request("DELETE", path)
        if status != http.client.NOT_FOUND:
            self._answer("DELETE", path, status, body)

    def _request(
        self, method: str, path: str, body: str | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._address, API_PORT, timeout=10, context=self._tls)
        try:
            connection.request(method, path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @staticmethod
    def _answer(method: str, path: str, status: int, body: bytes) -> dict[str, Any]:
        if status >= http.client.BAD_REQUEST:
            raise ClusterError(f"{method} {path}: {status} {body.decode(errors='replace')[:500]}")
        answer = json.loads(body)
        if not isinstance(answer, dict):
            raise ClusterError(f"{method} {path} answered no object")
        return answer


def wait_until(condition: Callable[[], bool], *, timeout_s: float, why_not: Callable[[], str]) -> None:
    """Wait for a condition; `ClusterError` with `why_not()` when it has not come in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{why_not()} (waited {timeout_s:.0f} s)")
        time.sleep(POLL_S)
