"""A ServiceMonitor or PodMonitor as scrape_configs, with the labels that Prometheus Operator gives: there is none here.

Pods are found by `tests.prometheus.discovery`, and scraped through an API server that asks for no login, so that any
cluster will do.
"""

import re
from typing import Any, Final

from tests.prometheus.discovery import META, label_name

Document = dict[str, Any]
# How soon a new pod is scraped.
REFRESH_S: Final = 2


def build_scrapes(monitor: Document, api_server: str, discovery: str) -> list[Document]:
    """One scrape_config an endpoint. `api_server`, `discovery`: host:port of each."""
    if monitor["kind"] == "PodMonitor":
        role, endpoints = "pod", monitor["spec"]["podMetricsEndpoints"]
    else:
        role, endpoints = "endpoints", monitor["spec"]["endpoints"]
    name = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    return [
        {
            "job_name": f"{monitor['kind']}/{name}/{number}",
            "honor_labels": endpoint.get("honorLabels", False),
            "scrape_interval": endpoint["interval"],
            "scrape_timeout": endpoint["interval"],
            "http_sd_configs": [
                {"url": f"http://{discovery}/{role}/{namespace}", "refresh_interval": f"{REFRESH_S}s"}
                for namespace in _namespaces(monitor)
            ],
            "relabel_configs": [
                *_build_selection(monitor["spec"]["selector"], "pod" if role == "pod" else "service"),
                *(_build_pod_labels(name) if role == "pod" else _build_service_labels()),
                _keep(["pod_container_port_name" if role == "pod" else "endpoint_port_name"], endpoint["port"]),
                {"target_label": "endpoint", "replacement": endpoint["port"]},
                *map(_in_prometheus_words, endpoint.get("relabelings", [])),
                *_build_way(api_server),
            ],
        }
        for number, endpoint in enumerate(endpoints)
    ]


def _namespaces(monitor: Document) -> list[str]:
    """Empty stands for all."""
    selector = monitor["spec"].get("namespaceSelector", {})
    if selector.get("any"):
        return [""]
    return list(selector.get("matchNames", [monitor["metadata"]["namespace"]]))


def _build_selection(selector: Document, of: str) -> list[Document]:
    kept = {label: [value] for label, value in selector.get("matchLabels", {}).items()}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        kept[expression["key"]] = expression["values"]
    return [
        _keep([f"{of}_label_{label_name(label)}"], "|".join(map(re.escape, values))) for label, values in kept.items()
    ]


def _build_pod_labels(monitor: str) -> list[Document]:
    return [
        {"action": "drop", "source_labels": [f"{META}pod_phase"], "regex": "Failed|Succeeded"},
        _label("namespace", "namespace"),
        _label("container", "pod_container_name"),
        _label("pod", "pod_name"),
        {"target_label": "job", "replacement": monitor},
    ]


def _build_service_labels() -> list[Document]:
    return [
        _label("namespace", "namespace"),
        _label("service", "service_name"),
        _label("pod", "pod_name"),
        _label("container", "pod_container_name"),
        _label("job", "service_name"),
    ]


def _build_way(api_server: str) -> list[Document]:
    """To the pod through the API server; `instance` is the pod's own address, as where it is scraped at once."""
    place = [f"{META}{each}" for each in ("namespace", "pod_name", "pod_container_port_number")]
    path = "/api/v1/namespaces/${1}/pods/${2}:${3}/proxy/metrics"
    return [
        {"source_labels": ["__address__"], "target_label": "instance"},
        {
            "source_labels": place,
            "regex": "(.+);(.+);(.+)",
            "target_label": "__metrics_path__",
            "replacement": path,
        },
        {"target_label": "__address__", "replacement": api_server},
    ]


def _keep(source_labels: list[str], regex: str) -> Document:
    return {"action": "keep", "source_labels": [f"{META}{each}" for each in source_labels], "regex": regex}


def _label(target: str, source: str) -> Document:
    return {"source_labels": [f"{META}{source}"], "target_label": target}


def _in_prometheus_words(relabeling: Document) -> Document:
    """`sourceLabels` → `source_labels`."""
    return {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value for key, value in relabeling.items()}
