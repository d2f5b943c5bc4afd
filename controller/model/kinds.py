"""Kinds of Kubernetes objects that the operator touches, and the rights it needs for them.

The chart's Roles are held to RULES by a test; what is not listed here, the operator does not do.
"""

from dataclasses import dataclass
from typing import Final

from contract.kubernetes import GROUP, KIND, PLURAL, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of namespaced object. `group` is empty for the core API."""

    group: str
    version: str
    name: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Role."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


SERVICE_RESOURCE: Final = Kind(GROUP, VERSION, KIND, PLURAL)
DEPLOYMENT: Final = Kind("apps", "v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps", "v1", "StatefulSet", "statefulsets")
SERVICE: Final = Kind("", "v1", "Service", "services")
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("", "v1", "Secret", "secrets")
AUTOSCALER: Final = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
DISRUPTION_BUDGET: Final = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
INGRESS: Final = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")
JOB: Final = Kind("batch", "v1", "Job", "jobs")
POD: Final = Kind("", "v1", "Pod", "pods")
EVENT: Final = Kind("events.k8s.io", "v1", "Event", "events")

# Made, changed and removed by the operator.
MANAGED: Final = (
    SECRET,
    CONFIG_MAP,
    NETWORK_POLICY,
    SERVICE,
    STATEFUL_SET,
    DEPLOYMENT,
    JOB,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    INGRESS,
)
# Looked at: they say why something is not ready.
OBSERVED: Final = (POD,)

_MANAGE: Final = ("get", "list", "watch", "create", "patch", "delete")
RULES: Final = (
    Rule(GROUP, (PLURAL,), ("get", "list", "watch")),
    Rule(GROUP, (f"{PLURAL}/status",), ("patch",)),
    # Owner references that block deletion need this where OwnerReferencesPermissionEnforcement is on.
    Rule(GROUP, (f"{PLURAL}/finalizers",), ("update",)),
    Rule("", (SERVICE.plural, CONFIG_MAP.plural, SECRET.plural), _MANAGE),
    Rule("apps", (DEPLOYMENT.plural, STATEFUL_SET.plural), _MANAGE),
    Rule(AUTOSCALER.group, (AUTOSCALER.plural,), _MANAGE),
    Rule(DISRUPTION_BUDGET.group, (DISRUPTION_BUDGET.plural,), _MANAGE),
    Rule(INGRESS.group, (INGRESS.plural, NETWORK_POLICY.plural), _MANAGE),
    # Verification of the registries, and copying live users back into the legacy one.
    Rule(JOB.group, (JOB.plural,), _MANAGE),
    # The patch is for one annotation: what it costs to remove a worker that has something to do.
    Rule("", (POD.plural,), ("list", "watch", "patch")),
    Rule(EVENT.group, (EVENT.plural,), ("create",)),
)
# In the operator's own namespace alone: who of several is the one that acts, and whether its pod is still there.
LEASE_RULES: Final = (
    Rule(LEASE.group, (LEASE.plural,), ("get", "create", "update")),
    Rule("", (POD.plural,), ("get",)),
)


def kind_of(api_version: str, name: str) -> Kind:
    """Raises KeyError for a kind that the operator does not know."""
    return _BY_NAME[(api_version, name)]


_BY_NAME: Final = {(kind.api_version, kind.name): kind for kind in (SERVICE_RESOURCE, *MANAGED, *OBSERVED)}
