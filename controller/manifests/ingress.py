"""The Ingress of the API: the paths that Reflex and people call, and no other."""

from typing import Final

from controller.manifests.api import PORT_NAME
from controller.manifests.target import API, Target, build_metadata
from controller.manifests.types import Ingress, IngressPath
from controller.model.api import Ingress as IngressSpec

# /metrics, /debug and /status are for inside.
PATHS: Final = ("/rpc", "/healthz", "/version")
WEBSOCKET: Final = "/ws"


def build_ingress(target: Target, spec: IngressSpec) -> Ingress:
    metadata = build_metadata(target, target.api_name, API)
    if spec.annotations:
        metadata["annotations"] = dict(sorted(spec.annotations.items()))
    paths = [*PATHS, WEBSOCKET] if spec.websocket else [*PATHS]
    built: Ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": {"rules": [{"host": spec.host, "http": {"paths": [_build_path(target, path) for path in paths]}}]},
    }
    if spec.class_name:
        built["spec"]["ingressClassName"] = spec.class_name
    if spec.tls:
        built["spec"]["tls"] = [{"hosts": [spec.host], "secretName": spec.tls.secret_name}]
    return built


def _build_path(target: Target, path: str) -> IngressPath:
    return {
        "path": path,
        "pathType": "Exact",
        "backend": {"service": {"name": target.api_name, "port": {"name": PORT_NAME}}},
    }
