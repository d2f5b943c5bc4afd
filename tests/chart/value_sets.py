"""Values that the chart is rendered with: what people install, from the least to everything at once."""

from typing import Any, Final

from tests.chart.rendering import NAMESPACE

DEFAULTS: Final[dict[str, Any]] = {}

WITH_SERVICE: Final[dict[str, Any]] = {"service": {"enabled": True}}

CLUSTER_WIDE: Final[dict[str, Any]] = {"rbac": {"clusterWide": True}, "crds": {"upgrade": False}}

BROUGHT_ALONG: Final[dict[str, Any]] = {
    "rbac": {"create": False},
    "serviceAccount": {"create": False, "name": "pinnokio-operator"},
    "fullnameOverride": "ledger",
}

# A key without a value is none: YAML leaves those behind when all below it is commented out.
EMPTY_KEYS: Final[dict[str, Any]] = {
    "operator": {"podLabels": None},
    "monitoring": {"monitors": {"enabled": True, "labels": None}, "rules": {"enabled": True, "labels": None}},
    "service": {"enabled": True, "spec": {"valkey": {"embedded": None}, "api": None}},
}

# Each value that is something else than its default.
EVERYTHING: Final[dict[str, Any]] = {
    "nameOverride": "ledger",
    "image": {
        "repository": "registry.internal:5000/accounting/pinnokio",
        "tag": "0.1.0-rc.1",
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "registry-login"}],
    },
    "valkey": {"image": "registry.internal:5000/valkey:9.0"},
    "watchNamespaces": [NAMESPACE],
    "serviceAccount": {"name": "ledger-operator", "annotations": {"example.com/role": "operator"}},
    "operator": {
        "replicas": 2,
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
        },
        "logLevel": "DEBUG",
        "resources": {"requests": {"cpu": 0.1, "memory": "128Mi"}, "limits": {"cpu": 1, "memory": "512Mi"}},
        "podAnnotations": {"example.com/owner": "platform"},
        "podLabels": {"example.com/tier": "control"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "control", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
                    ]
                }
            }
        },
        "priorityClassName": "system-cluster-critical",
        "extraEnv": [{"name": "RESYNC_S", "value": "60"}],
    },
    "monitoring": {
        "rules": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "runbookUrl": "https://docs.internal/runbooks",
        },
        "monitors": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
        "dashboards": {"enabled": True, "labels": {"grafana_dashboard": "yes"}},
    },
    "service": {
        "enabled": True,
        "name": "books",
        "annotations": {"pinnokio.io/paused": "false"},
        "spec": {
            "api": {"replicas": 2, "auth": {"tokenSecretRef": {"name": "books-token", "key": "api.token"}}},
            "queues": [
                {"name": "default"},
                {"name": "computation", "concurrency": 2},
                {"name": "llm"},
                {"name": "maintenance"},
            ],
            "valkey": {"embedded": {"storage": {"size": "2Gi"}}},
            "unifiedRegistry": {"enabled": True},
        },
    },
}

VALUE_SETS: Final[dict[str, dict[str, Any]]] = {
    "defaults": DEFAULTS,
    "with-service": WITH_SERVICE,
    "cluster-wide": CLUSTER_WIDE,
    "brought-along": BROUGHT_ALONG,
    "everything": EVERYTHING,
    "empty keys": EMPTY_KEYS,
}
