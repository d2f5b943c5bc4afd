"""The cluster's own workloads: cluster DNS and the storage provisioner. Pure `build_*` functions, applied by `node`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.cluster import system_images
from tests.cluster.source.layout import Layout

Manifest = Mapping[str, Any]

STORAGE_NAMESPACE = "local-path-storage"
PROVISIONER_NAME = "rancher.io/local-path"
# (kind, path up to the name); `{}` takes the namespace.
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
}
_COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    cache 5
}
"""
_SETUP = 'set -eu\nmkdir -m 0777 -p "$VOL_DIR"\n'
_TEARDOWN = 'set -eu\nrm -rf "$VOL_DIR"\n'


def path_of(manifest: Manifest) -> str:
    """Where the API server keeps a manifest's object."""
    metadata = manifest["metadata"]
    return f"{_PATHS[manifest['kind']].format(metadata.get('namespace', ''))}/{metadata['name']}"


def build_addons(layout: Layout) -> list[Manifest]:
    """Everything that a fresh cluster is given, in the order of applying."""
    return [*build_dns(layout.dns_address), *build_storage(str(layout.volumes_dir))]


def build_dns(address: str) -> list[Manifest]:
    """CoreDNS behind the Service `kube-dns`; it answers names of the cluster and forwards nothing."""
    namespace, labels = "kube-system", {"k8s-app": "kube-dns"}
    rules = [
        _rule([""], ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
        _rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
    ]
    container = {
        "name": "coredns",
        "image": system_images.COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "failureThreshold": 5},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
    ]
    service = {"clusterIP": address, "selector": labels, "ports": ports}
    return [
        *_account("coredns", namespace, rules),
        _object("v1", "ConfigMap", "coredns", namespace, data={"Corefile": _COREFILE}),
        _deployment("coredns", namespace, labels, pod),
        _object("v1", "Service", "kube-dns", namespace, labels=labels, spec=service),
    ]


def build_storage(folder: str) -> list[Manifest]:
    """The local-path provisioner and the default storage class `standard`; volumes are folders of the node that any
    user may write to."""
    namespace, name = STORAGE_NAMESPACE, "local-path-provisioner"
    paths = [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [folder]}]
    helper_container = {
        "name": "helper-pod",
        "image": system_images.BUSYBOX,
        "imagePullPolicy": "Never",
    }
    helper = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {"containers": [helper_container]},
    }
    config = {
        "config.json": json.dumps({"nodePathMap": paths}),
        "setup": _SETUP,
        "teardown": _TEARDOWN,
        "helperPod.yaml": json.dumps(helper),
    }
    every = ["get", "list", "watch", "create", "patch", "update", "delete"]
    rules = [
        _rule([""], ["nodes", "persistentvolumeclaims", "configmaps", "pods/log"], ["get", "list", "watch"]),
        _rule([""], ["persistentvolumes", "pods"], every),
        _rule([""], ["events"], ["create", "patch"]),
        _rule(["storage.k8s.io"], ["storageclasses"], ["get", "list", "watch"]),
    ]
    namespace_of_pod = {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    container = {
        "name": name,
        "image": system_images.PROVISIONER,
        "imagePullPolicy": "Never",
        "args": [
            "start",
            "--config=/etc/config/config.json",
            f"--provisioner-name={PROVISIONER_NAME}",
            f"--service-account-name={name}",
            f"--helper-image={system_images.BUSYBOX}",
        ],
        "env": [namespace_of_pod, {"name": "CONFIG_MOUNT_PATH", "value": "/etc/config/"}],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config", "readOnly": True}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    }
    pod = {
        "serviceAccountName": name,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "local-path-config"}}],
    }
    storage_class = _object("storage.k8s.io/v1", "StorageClass", "standard", None)
    storage_class["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    storage_class |= {
        "provisioner": PROVISIONER_NAME,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
    return [
        _object("v1", "Namespace", namespace, None),
        *_account(name, namespace, rules),
        _object("v1", "ConfigMap", "local-path-config", namespace, data=config),
        _deployment(name, namespace, {"app": name}, pod),
        storage_class,
    ]


def _object(
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None,
    labels: Mapping[str, str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _account(name: str, namespace: str, rules: list[Manifest]) -> list[Manifest]:
    """A service account that may do what `rules` say, in the whole cluster."""
    group = "rbac.authorization.k8s.io"
    role = f"pinnokio:{name}"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        _object("v1", "ServiceAccount", name, namespace),
        _object(f"{group}/v1", "ClusterRole", role, None, rules=rules),
        _object(
            f"{group}/v1",
            "ClusterRoleBinding",
            role,
            None,
            roleRef={"apiGroup": group, "kind": "ClusterRole", "name": role},
            subjects=[subject],
        ),
    ]


def _deployment(name: str, namespace: str, labels: Mapping[str, str], pod: Manifest) -> Manifest:
    template = {"metadata": {"labels": dict(labels)}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": dict(labels)}, "template": template}
    return _object("apps/v1", "Deployment", name, namespace, labels=labels, spec=spec)


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}
