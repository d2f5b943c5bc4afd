"""What kubernetes_sd_configs would find, told by http_sd_configs: Debian's Prometheus is built without the former.

Each container port of a pod (role `pod`) and each address of a Service (role `endpoints`) is a target, with the meta
labels of that role which `tests.prometheus.monitors` relabels by. Addresses of an API server are host:port of one that
asks for no login (`kubectl proxy`).
"""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Document = dict[str, Any]
META: Final = "__meta_kubernetes_"
ANSWER_S: Final = 10


def label_name(label: str) -> str:
    """`app.kubernetes.io/name` as Prometheus writes it."""
    return re.sub("[^a-zA-Z0-9_]", "_", label)


@contextmanager
def run_discovery(api_server: str) -> Iterator[str]:
    """host:port where `/ROLE/NAMESPACE` tells that role's targets (`/ROLE/`: in all namespaces), for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, role, namespace = self.path.split("/")
            body = json.dumps(_discover(api_server, role, namespace)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _discover(api_server: str, role: str, namespace: str) -> list[Document]:
    pods = _read(api_server, namespace, "pods")
    if role == "pod":
        return [_build_target(pod, port, {}) for pod in pods for port in _ports(pod)]
    by_name = {pod["metadata"]["name"]: pod for pod in pods}
    return [
        _build_target(pod, port, _service_labels(endpoints, named["name"]))
        for endpoints in _read(api_server, namespace, "endpoints")
        for subset in endpoints.get("subsets", [])
        for named in subset.get("ports", [])
        for address in subset.get("addresses", [])
        if (pod := by_name.get(address.get("targetRef", {}).get("name"))) is not None
        for port in _ports(pod)
        if port["containerPort"] == named["port"]
    ]


def _read(api_server: str, namespace: str, what: str) -> list[Document]:
    place = f"namespaces/{namespace}/{what}" if namespace else what
    with urllib.request.urlopen(f"http://{api_server}/api/v1/{place}", timeout=ANSWER_S) as answer:
        items: list[Document] = json.load(answer)["items"]
    return items


def _ports(pod: Document) -> list[Document]:
    """Ports of a pod that has an address, each with its container's name."""
    if "podIP" not in pod["status"]:
        return []
    containers = pod["spec"]["containers"]
    return [port | {"container": each["name"]} for each in containers for port in each.get("ports", [])]


def _build_target(pod: Document, port: Document, more: dict[str, str]) -> Document:
    meta = pod["metadata"]
    labels = {
        "namespace": meta["namespace"],
        "pod_name": meta["name"],
        "pod_phase": pod["status"]["phase"],
        "pod_container_name": port["container"],
        "pod_container_port_name": port.get("name", ""),
        "pod_container_port_number": str(port["containerPort"]),
        **{f"pod_label_{label_name(key)}": value for key, value in meta.get("labels", {}).items()},
        **more,
    }
    return {
        "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
        "labels": {f"{META}{key}": value for key, value in labels.items()},
    }


def _service_labels(endpoints: Document, port_name: str) -> dict[str, str]:
    """Endpoints carry their Service's labels."""
    meta = endpoints["metadata"]
    labels = {f"service_label_{label_name(key)}": value for key, value in meta.get("labels", {}).items()}
    return {"service_name": meta["name"], "endpoint_port_name": port_name, **labels}
