"""`spec.networkPolicy`: who may open a connection to which part. What pods open themselves is not restricted."""

from typing import Annotated

from pydantic import ConfigDict, Field

from controller.model.base import Model, rule, rules

CIDR: str = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"
Labels = dict[Annotated[str, Field(max_length=316)], Annotated[str, Field(max_length=63)]]


class Selector(Model):
    """Labels that must all be there."""

    match_labels: Labels = Field(min_length=1, max_length=16, description="Labels by name.")


class IpBlock(Model):
    """Addresses outside the cluster."""

    cidr: str = Field(max_length=49, pattern=CIDR, description="Such as 10.0.0.0/8.")


class Peer(Model):
    """Who may connect: pods by their labels and their namespace's, or addresses."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.ipBlock) != (has(self.namespaceSelector) || has(self.podSelector))",
                "a peer is an ipBlock, or pods by namespaceSelector, podSelector or both: set one of the two kinds",
            )
        )
    )

    namespace_selector: Selector | None = Field(
        default=None, description="Namespaces by label (kubernetes.io/metadata.name is their name); unset: this one."
    )
    pod_selector: Selector | None = Field(default=None, description="Pods by label; unset: all of the namespaces.")
    ip_block: IpBlock | None = Field(default=None, description="Addresses.")


Peers = Annotated[tuple[Peer, ...], Field(max_length=32)]


class NetworkPolicySpec(Model):
    """NetworkPolicies, enforced where the cluster's network plugin does so."""

    enabled: bool = Field(default=True, description="Make them.")
    api_from: Peers = Field(
        default=(),
        description="Who may call the API, such as Reflex and the Ingress controller; unset: anyone. The operator and"
        " metricsFrom may, too.",
    )
    metrics_from: Peers = Field(
        default=(), description="Who may scrape workers (port 9540), such as Prometheus; unset: anyone."
    )
    flower_from: Peers = Field(
        default=(), description="Who may open Flower (port 5555); unset: pods of this namespace."
    )
    valkey_from: Peers = Field(
        default=(), description="Who may reach the embedded Valkey beside this service's own pods and the operator."
    )
