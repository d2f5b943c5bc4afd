"""Names that Kubernetes objects of a PinnokioService carry: API group, labels, annotations, ports."""

from typing import Final

GROUP: Final = "pinnokio.io"
VERSION: Final = "v1alpha1"
PLURAL: Final = "pinnokioservices"
KIND: Final = "PinnokioService"

# The recommended labels of Kubernetes; `component` picks one part by `kubectl logs -l`.
LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_QUEUE: Final = "pinnokio.io/queue"
# Kubernetes sets it on the pods of a Job.
LABEL_JOB: Final = "batch.kubernetes.io/job-name"
ANNOTATION_PAUSED: Final = "pinnokio.io/paused"
# in, out or all: the numbers of workers neither shrink, nor grow, nor change at all.
ANNOTATION_SCALING_PAUSED: Final = "pinnokio.io/scaling-paused"
# A person's word on the rollout of the flag; the operator never writes these.
# promote: each new value acts once, and moves one step on (a value that begins with `all`: to the last step). After a
# rollback it tries again; where a verification found drift it verifies again.
ANNOTATION_PROMOTE: Final = "pinnokio.io/promote"
# rollback: each new value acts once, and takes the flag off (a value that begins with `previous`: one step back). The
# spec is not tried again until it changes or is promoted. Where legacy writes had stopped, live users are copied back
# first; a value that begins with `force` does not wait for that, and they must register again.
ANNOTATION_ROLLBACK: Final = "pinnokio.io/rollback"
# "true" holds the rollout at its step as long as it stands; figures that worsen still take it back.
ANNOTATION_ROLLOUT_PAUSED: Final = "pinnokio.io/rollout-paused"
PROMOTE_ALL: Final = "all"
ROLLBACK_PREVIOUS: Final = "previous"
ROLLBACK_FORCE: Final = "force"
# Kubernetes removes the pods of the lowest cost first (and takes a pod without one as 0).
ANNOTATION_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
# What was applied last (a change of it is an update, a difference without one is drift) and which generated values a
# pod was started with.
ANNOTATION_APPLIED: Final = "pinnokio.io/applied"
ANNOTATION_SECRET: Final = "pinnokio.io/secret"
# On the operator's Lease: uid of the pod that holds it. A holder whose pod is gone need not be waited for.
ANNOTATION_HOLDER_POD: Final = "pinnokio.io/holder-pod"

FIELD_MANAGER: Final = "pinnokio-operator"
# Holds a Deployment's number of pods while it passes from us to an autoscaler.
REPLICAS_MANAGER: Final = "pinnokio-operator-replicas"
API_PORT: Final = 8090
VALKEY_PORT: Final = 6379
WORKER_METRICS_PORT: Final = 9540
FLOWER_PORT: Final = 5555
# The operator's pod carries it, so that a NetworkPolicy can let it in.
LABEL_ROLE: Final = "pinnokio.io/role"
ROLE_OPERATOR: Final = "operator"
TOKEN_KEY: Final = "token"
FLOWER_KEY: Final = "flower"
VALKEY_PASSWORD_KEY: Final = "valkey-password"
FLAG_KEY: Final = "flag.json"
