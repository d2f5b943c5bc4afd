"""`spec.api`: the pods that answer Reflex, who may call them, how many there are, and the way in from outside."""

from typing import Annotated

from pydantic import ConfigDict, Field

from controller.model.base import Model, rule, rules
from controller.model.pod import OBJECT_NAME, Env, KeyRef, Resources, shared_variables_rule

HOST: str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
Annotations = dict[Annotated[str, Field(max_length=316)], Annotated[str, Field(max_length=8192)]]


class Auth(Model):
    """The bearer token of /rpc, /debug and /status."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(self.disabled && has(self.tokenSecretRef))",
                "auth.disabled and auth.tokenSecretRef contradict each other: remove one",
            ),
            rule(
                "!(self.disabled && self.websocket)",
                "auth.disabled and auth.websocket contradict each other: there is no token that /ws could ask for;"
                " remove one",
            ),
        )
    )

    disabled: bool = Field(default=False, description="Ask for no token: anyone who reaches the API may call it.")
    token_secret_ref: KeyRef | None = Field(
        default=None, description="Secret that holds the token; unset: one is generated into the Secret NAME-auth."
    )
    websocket: bool = Field(
        default=False, description="/ws asks for the bearer token too (WS_AUTH). Reflex's own client sends none there."
    )


class Autoscaling(Model):
    """A HorizontalPodAutoscaler of the API; it needs the metrics API (metrics-server) in the cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.minReplicas <= self.maxReplicas",
                "api.autoscaling.minReplicas is above maxReplicas: lower minReplicas or raise maxReplicas",
            )
        )
    )

    min_replicas: int = Field(default=2, ge=1, le=100, description="Fewest pods of the API.")
    max_replicas: int = Field(default=10, ge=1, le=100, description="Most pods of the API.")
    cpu_percent: int = Field(
        default=70, ge=1, le=1000, description="CPU that pods use on average, in percent of what they request."
    )


class IngressTls(Model):
    """TLS of the Ingress."""

    secret_name: str = Field(
        min_length=1,
        max_length=253,
        pattern=OBJECT_NAME,
        description="Secret of type kubernetes.io/tls with the host's certificate, yours or cert-manager's.",
    )


class Ingress(Model):
    """The API from outside the cluster: /rpc, /healthz and /version, and /ws where asked for."""

    host: str = Field(min_length=1, max_length=253, pattern=HOST, description="Host name, such as api.example.com.")
    class_name: str | None = Field(
        default=None, min_length=1, max_length=253, description="Ingress class; unset: the cluster's default."
    )
    annotations: Annotations = Field(
        default={}, max_length=64, description="Annotations for the Ingress controller or cert-manager."
    )
    tls: IngressTls | None = Field(
        default=None, description="TLS; unset: plain HTTP, unless something in front of the Ingress ends TLS."
    )
    websocket: bool = Field(default=False, description="Let /ws in too; it needs api.auth.websocket.")


class ApiSpec(Model):
    """The API: POST /rpc, /ws, /healthz, /readyz, /metrics on port 8090 of the Service NAME-api."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            shared_variables_rule(),
            rule(
                "!has(self.ingress) || !self.ingress.websocket || (has(self.auth) && self.auth.websocket)",
                "api.ingress.websocket opens /ws, every user's events, to whoever reaches the Ingress: set"
                " api.auth.websocket: true, so that /ws asks for the bearer token, or remove api.ingress.websocket",
            ),
            rule(
                "!has(self.ingress) || !has(self.auth) || !self.auth.disabled",
                "api.ingress with api.auth.disabled lets anyone who reaches the Ingress call every method: remove"
                " api.auth.disabled, or remove api.ingress",
            ),
            rule(
                "!has(self.autoscaling) || !has(self.resources) || (has(self.resources.requests)"
                " && has(self.resources.requests.cpu))",
                "api.autoscaling measures CPU in percent of the request: set api.resources.requests.cpu",
            ),
        )
    )

    replicas: int = Field(default=1, ge=1, le=100, description="Pods of the API; with autoscaling, not looked at.")
    autoscaling: Autoscaling | None = Field(
        default=None, description="A number of pods that follows their load; unset: api.replicas."
    )
    resources: Resources | None = Field(
        default=None, description="CPU and memory; unset: 100m and 192Mi requested, 512Mi at most."
    )
    auth: Auth = Field(default=Auth(), description="The bearer token.")
    ingress: Ingress | None = Field(default=None, description="The API from outside the cluster; unset: no Ingress.")
    env: Env = Field(default=(), description="Variables of the API only; they win over spec.env.")

    @property
    def fewest_replicas(self) -> int:
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas
