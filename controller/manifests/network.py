"""NetworkPolicies: who may open a connection to which part.

    API      8090  anyone, or apiFrom; the operator and metricsFrom always
    workers  9540  anyone, or metricsFrom
    Flower   5555  pods of the namespace, or flowerFrom
    Valkey   6379  pods of this service, the operator, valkeyFrom; it opens none itself
    beat     none

What the others open is not restricted: Firestore, OpenAI and an external Valkey or Chroma are anywhere.
"""

from collections.abc import Iterable
from typing import Final

from contract import kubernetes
from controller.manifests.target import API, APP, BEAT, FLOWER, VALKEY, WORKER, Target, build_metadata, build_selector
from controller.manifests.types import NetworkIngressRule, NetworkPeer, NetworkPolicy
from controller.model.network import Peer, Selector

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


def build_network_policies(target: Target) -> list[NetworkPolicy]:
    spec = target.spec
    allowed = spec.network_policy
    if not allowed.enabled:
        return []
    operator = _build_operator(target)
    api = [*_build_peers((*allowed.api_from, *allowed.metrics_from)), *operator] if allowed.api_from else None
    metrics = _build_peers(allowed.metrics_from) or None
    built = [
        _build_policy(target, API, target.api_name, [_build_rule(kubernetes.API_PORT, api)]),
        _build_policy(
            target, WORKER, f"{target.key.name}-worker", [_build_rule(kubernetes.WORKER_METRICS_PORT, metrics)]
        ),
    ]
    if spec.beat.enabled:
        built.append(_build_policy(target, BEAT, target.beat_name, []))
    if spec.flower.enabled:
        flower = _build_peers(allowed.flower_from) or [{"podSelector": {"matchLabels": {}}}]
        built.append(_build_policy(target, FLOWER, target.flower_name, [_build_rule(kubernetes.FLOWER_PORT, flower)]))
    if spec.valkey.mode == "embedded":
        own: NetworkPeer = {"podSelector": {"matchLabels": _own_labels(target)}}
        peers = [own, *operator, *_build_peers(allowed.valkey_from)]
        policy = _build_policy(target, VALKEY, target.valkey_name, [_build_rule(kubernetes.VALKEY_PORT, peers)])
        policy["spec"]["policyTypes"] = ["Ingress", "Egress"]
        built.append(policy)
    return built


def _build_policy(target: Target, component: str, name: str, rules: list[NetworkIngressRule]) -> NetworkPolicy:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": build_metadata(target, name, component),
        "spec": {
            "podSelector": build_selector(target, component),
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    }


def _build_rule(port: int, peers: list[NetworkPeer] | None) -> NetworkIngressRule:
    """`peers` None: anyone."""
    rule: NetworkIngressRule = {"ports": [{"protocol": "TCP", "port": port}]}
    if peers is not None:
        rule["from"] = peers
    return rule


def _build_peers(peers: Iterable[Peer]) -> list[NetworkPeer]:
    return [_build_peer(peer) for peer in peers]


def _build_peer(peer: Peer) -> NetworkPeer:
    built: NetworkPeer = {}
    if peer.ip_block:
        built["ipBlock"] = {"cidr": peer.ip_block.cidr}
    if peer.namespace_selector:
        built["namespaceSelector"] = {"matchLabels": _labels(peer.namespace_selector)}
    if peer.pod_selector:
        built["podSelector"] = {"matchLabels": _labels(peer.pod_selector)}
    return built


def _build_operator(target: Target) -> list[NetworkPeer]:
    """The operator's pod; from outside the cluster it comes as an address that nobody knows."""
    if target.operator_namespace is None:
        return []
    return [
        {
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: target.operator_namespace}},
            "podSelector": {"matchLabels": {kubernetes.LABEL_ROLE: kubernetes.ROLE_OPERATOR}},
        }
    ]


def _own_labels(target: Target) -> dict[str, str]:
    """Every pod of this service, Jobs too."""
    return {kubernetes.LABEL_NAME: APP, kubernetes.LABEL_INSTANCE: target.key.name}


def _labels(selector: Selector) -> dict[str, str]:
    return dict(sorted(selector.match_labels.items()))
