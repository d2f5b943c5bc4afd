"""Shapes of the Kubernetes objects that are built here: the fields that we set, and no others."""

from typing import Literal, NotRequired, TypedDict


class OwnerReference(TypedDict):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool
    blockOwnerDeletion: bool


class ObjectMeta(TypedDict):
    name: str
    namespace: str
    labels: dict[str, str]
    annotations: NotRequired[dict[str, str]]
    ownerReferences: list[OwnerReference]
    resourceVersion: NotRequired[str]


class KeySelector(TypedDict):
    name: str
    key: str
    optional: NotRequired[bool]


class FieldSelector(TypedDict):
    fieldPath: str


class EnvVarSource(TypedDict, total=False):
    secretKeyRef: KeySelector
    configMapKeyRef: KeySelector
    fieldRef: FieldSelector


class EnvVar(TypedDict):
    name: str
    value: NotRequired[str]
    valueFrom: NotRequired[EnvVarSource]


class ObjectSelector(TypedDict):
    name: str
    optional: NotRequired[bool]


class EnvFromSource(TypedDict, total=False):
    prefix: str
    secretRef: ObjectSelector
    configMapRef: ObjectSelector


class HttpGet(TypedDict):
    path: str
    port: str


class TcpSocket(TypedDict):
    port: str


class Exec(TypedDict):
    command: list[str]


class Probe(TypedDict, total=False):
    httpGet: HttpGet
    tcpSocket: TcpSocket
    exec: Exec
    periodSeconds: int
    timeoutSeconds: int
    failureThreshold: int


class Sleep(TypedDict):
    seconds: int


class LifecycleHandler(TypedDict):
    sleep: Sleep


class Lifecycle(TypedDict):
    preStop: LifecycleHandler


class ContainerPort(TypedDict):
    name: str
    containerPort: int


class VolumeMount(TypedDict):
    name: str
    mountPath: str
    readOnly: NotRequired[bool]


class Capabilities(TypedDict):
    drop: list[str]


class ContainerSecurity(TypedDict):
    allowPrivilegeEscalation: bool
    readOnlyRootFilesystem: bool
    capabilities: Capabilities


class Container(TypedDict):
    name: str
    image: str
    imagePullPolicy: str
    command: NotRequired[list[str]]
    args: NotRequired[list[str]]
    env: NotRequired[list[EnvVar]]
    envFrom: NotRequired[list[EnvFromSource]]
    ports: NotRequired[list[ContainerPort]]
    resources: dict[str, dict[str, str]]
    startupProbe: NotRequired[Probe]
    livenessProbe: NotRequired[Probe]
    readinessProbe: NotRequired[Probe]
    lifecycle: NotRequired[Lifecycle]
    terminationMessagePolicy: Literal["File", "FallbackToLogsOnError"]
    securityContext: ContainerSecurity
    volumeMounts: list[VolumeMount]


class EmptyDir(TypedDict, total=False):
    sizeLimit: str


class ConfigMapVolume(TypedDict):
    name: str


class SecretItem(TypedDict):
    key: str
    path: str


class SecretVolume(TypedDict):
    secretName: str
    items: list[SecretItem]


class Volume(TypedDict):
    name: str
    emptyDir: NotRequired[EmptyDir]
    configMap: NotRequired[ConfigMapVolume]
    secret: NotRequired[SecretVolume]


class SeccompProfile(TypedDict):
    type: Literal["RuntimeDefault"]


class PodSecurity(TypedDict):
    runAsNonRoot: bool
    runAsUser: int
    runAsGroup: int
    fsGroup: int
    fsGroupChangePolicy: NotRequired[str]
    seccompProfile: SeccompProfile


class NameReference(TypedDict):
    name: str


class LabelSelector(TypedDict):
    matchLabels: dict[str, str]


class TopologySpread(TypedDict):
    maxSkew: int
    topologyKey: str
    whenUnsatisfiable: str
    labelSelector: LabelSelector
    matchLabelKeys: list[str]


class Toleration(TypedDict):
    key: str
    operator: Literal["Exists"]
    effect: Literal["NoExecute"]
    tolerationSeconds: int


class PodSpec(TypedDict):
    automountServiceAccountToken: bool
    enableServiceLinks: bool
    shareProcessNamespace: bool
    restartPolicy: NotRequired[Literal["Never"]]
    terminationGracePeriodSeconds: int
    imagePullSecrets: NotRequired[list[NameReference]]
    securityContext: PodSecurity
    containers: list[Container]
    volumes: list[Volume]
    topologySpreadConstraints: NotRequired[list[TopologySpread]]
    tolerations: NotRequired[list[Toleration]]


class TemplateMeta(TypedDict):
    labels: dict[str, str]
    annotations: NotRequired[dict[str, str]]


class PodTemplate(TypedDict):
    metadata: TemplateMeta
    spec: PodSpec


class RollingUpdate(TypedDict):
    maxUnavailable: int
    maxSurge: int | str


class DeploymentStrategy(TypedDict):
    type: Literal["RollingUpdate", "Recreate"]
    rollingUpdate: NotRequired[RollingUpdate]


class DeploymentSpec(TypedDict):
    # Left out where an autoscaler writes it.
    replicas: NotRequired[int]
    revisionHistoryLimit: int
    progressDeadlineSeconds: int
    selector: LabelSelector
    strategy: DeploymentStrategy
    template: PodTemplate


class Deployment(TypedDict):
    apiVersion: Literal["apps/v1"]
    kind: Literal["Deployment"]
    metadata: ObjectMeta
    spec: DeploymentSpec


class StorageRequests(TypedDict):
    requests: dict[str, str]


class ClaimSpec(TypedDict):
    accessModes: list[str]
    resources: StorageRequests
    storageClassName: NotRequired[str]


class ClaimMeta(TypedDict):
    name: str
    labels: dict[str, str]


class ClaimTemplate(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["PersistentVolumeClaim"]
    metadata: ClaimMeta
    spec: ClaimSpec


class ClaimRetention(TypedDict):
    whenDeleted: Literal["Retain", "Delete"]
    whenScaled: Literal["Retain", "Delete"]


class StatefulSetSpec(TypedDict):
    replicas: int
    podManagementPolicy: Literal["Parallel"]
    revisionHistoryLimit: int
    serviceName: str
    selector: LabelSelector
    persistentVolumeClaimRetentionPolicy: ClaimRetention
    template: PodTemplate
    volumeClaimTemplates: list[ClaimTemplate]


class StatefulSet(TypedDict):
    apiVersion: Literal["apps/v1"]
    kind: Literal["StatefulSet"]
    metadata: ObjectMeta
    spec: StatefulSetSpec


class ServicePort(TypedDict):
    name: str
    port: int
    targetPort: str
    protocol: Literal["TCP"]


class ServiceSpec(TypedDict):
    type: Literal["ClusterIP"]
    selector: dict[str, str]
    ports: list[ServicePort]


class Service(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["Service"]
    metadata: ObjectMeta
    spec: ServiceSpec


class ConfigMap(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: ObjectMeta
    data: dict[str, str]


class Secret(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["Secret"]
    metadata: ObjectMeta
    type: Literal["Opaque"]
    data: dict[str, str]


class ExitCodes(TypedDict):
    containerName: str
    operator: Literal["In"]
    values: list[int]


class FailureRule(TypedDict):
    action: Literal["FailJob"]
    onExitCodes: ExitCodes


class FailurePolicy(TypedDict):
    rules: list[FailureRule]


class JobSpec(TypedDict):
    backoffLimit: int
    activeDeadlineSeconds: NotRequired[int]
    podFailurePolicy: NotRequired[FailurePolicy]
    template: PodTemplate


class Job(TypedDict):
    apiVersion: Literal["batch/v1"]
    kind: Literal["Job"]
    metadata: ObjectMeta
    spec: JobSpec


class CrossVersionReference(TypedDict):
    apiVersion: str
    kind: str
    name: str


class MetricTarget(TypedDict):
    type: Literal["Utilization"]
    averageUtilization: int


class ResourceMetric(TypedDict):
    name: str
    target: MetricTarget


class Metric(TypedDict):
    type: Literal["Resource"]
    resource: ResourceMetric


class AutoscalerSpec(TypedDict):
    scaleTargetRef: CrossVersionReference
    minReplicas: int
    maxReplicas: int
    metrics: list[Metric]


class Autoscaler(TypedDict):
    apiVersion: Literal["autoscaling/v2"]
    kind: Literal["HorizontalPodAutoscaler"]
    metadata: ObjectMeta
    spec: AutoscalerSpec


class DisruptionBudgetSpec(TypedDict):
    maxUnavailable: int
    selector: LabelSelector
    unhealthyPodEvictionPolicy: Literal["AlwaysAllow"]


class DisruptionBudget(TypedDict):
    apiVersion: Literal["policy/v1"]
    kind: Literal["PodDisruptionBudget"]
    metadata: ObjectMeta
    spec: DisruptionBudgetSpec


class PortReference(TypedDict):
    name: str


class IngressService(TypedDict):
    name: str
    port: PortReference


class IngressBackend(TypedDict):
    service: IngressService


class IngressPath(TypedDict):
    path: str
    pathType: Literal["Exact"]
    backend: IngressBackend


class IngressPaths(TypedDict):
    paths: list[IngressPath]


class IngressRule(TypedDict):
    host: str
    http: IngressPaths


class IngressTls(TypedDict):
    hosts: list[str]
    secretName: str


class IngressSpec(TypedDict):
    ingressClassName: NotRequired[str]
    rules: list[IngressRule]
    tls: NotRequired[list[IngressTls]]


class Ingress(TypedDict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["Ingress"]
    metadata: ObjectMeta
    spec: IngressSpec


class IpBlock(TypedDict):
    cidr: str


class NetworkPeer(TypedDict, total=False):
    podSelector: LabelSelector
    namespaceSelector: LabelSelector
    ipBlock: IpBlock


class NetworkPort(TypedDict):
    protocol: Literal["TCP"]
    port: int


# `from` is a word of Python's own.
NetworkIngressRule = TypedDict(
    "NetworkIngressRule", {"from": NotRequired[list[NetworkPeer]], "ports": list[NetworkPort]}
)


class NetworkPolicySpec(TypedDict):
    podSelector: LabelSelector
    policyTypes: list[Literal["Ingress", "Egress"]]
    ingress: NotRequired[list[NetworkIngressRule]]


class NetworkPolicy(TypedDict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: ObjectMeta
    spec: NetworkPolicySpec


Manifest = (
    Deployment
    | StatefulSet
    | Job
    | Service
    | ConfigMap
    | Secret
    | Autoscaler
    | DisruptionBudget
    | Ingress
    | NetworkPolicy
)
