"""What each program of the node is told: configuration files as JSON (which is YAML) or TOML, and command lines.

Pure: everything follows from the layout. The reasons of settings that are not Kubernetes' own defaults stand beside
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.cluster import system_images
from tests.cluster.source.layout import API_PORT, Layout

CNI_BIN_DIR = "/usr/lib/cni"
ETCD_PORT = 2379
# Go's collector runs earlier: a third less memory for a few per cent of processor time.
ENVIRONMENT = {"GOGC": "60"}
JsonObject = Mapping[str, object]


def build_containerd_config(layout: Layout) -> str:
    """containerd 1.6's file.

    `restrict_oom_score_adj`: without CAP_SYS_RESOURCE every pod fails with `can't get final child's PID from pipe`.
    `netns_mounts_under_state_dir`, runc's `Root` and the path of `opt` keep what it makes in the cluster's own folders.
    """
    return f"""version = 2
root = "{layout.containerd_root}"
state = "{layout.run_dir}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing"]
[grpc]
address = "{layout.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{layout.data_dir}/opt"
[plugins."io.containerd.snapshotter.v1.overlayfs"]
root_path = "{layout.snapshots_dir}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{system_images.PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_BIN_DIR}"
conf_dir = "{layout.config_dir}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{layout.run_dir}/runc"
"""


def build_cni_config(layout: Layout) -> JsonObject:
    """The pod network: a bridge of the node, which is the pods' gateway."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": layout.node_pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(layout.run_dir / "cni"),
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": layout.name, "plugins": [bridge, portmap]}


def build_kubelet_config(layout: Layout) -> JsonObject:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki_dir / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki_dir / f"{layout.kubelet_user}.crt"),
        "tlsPrivateKeyFile": str(layout.pki_dir / f"{layout.kubelet_user}.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "oomScoreAdj": 0,  # lowering it needs CAP_SYS_RESOURCE
        "podLogsDir": str(layout.pod_logs_dir),
        "clusterDNS": [layout.dns_address],
        "clusterDomain": "cluster.local",
        "resolvConf": "/dev/null",  # the host's name servers are out of a pod's reach
        "maxPods": 110,
        # Images are loaded, not pulled: one that was collected would be gone.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Quick rather than gentle: one node, many short tests.
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
        "serializeImagePulls": False,
        "syncFrequency": "10s",
    }


def build_proxy_config(layout: Layout) -> JsonObject:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(layout.pki_dir / "proxy.kubeconfig")},
        "clusterCIDR": layout.pod_cidr,
        "hostnameOverride": layout.node_name,
        "conntrack": {"maxPerCore": 0, "min": 0},  # the limit is the host's to set
        "iptables": {"minSyncPeriod": "0s"},
        "oomScoreAdj": 0,
    }


def build_joining_commands(layout: Layout, kubernetes_bin: Path) -> dict[str, list[str]]:
    """The programs of a node without a control plane."""
    commands = build_commands(layout, kubernetes_bin)
    return {name: commands[name] for name in ("containerd", "kubelet", "kube-proxy")}


def build_commands(layout: Layout, kubernetes_bin: Path) -> dict[str, list[str]]:
    """The first node's programs by name, in the order of starting."""
    config = layout.config_dir

    def program(name: str) -> str:
        return str(kubernetes_bin / name)

    return {
        "containerd": ["containerd", "--config", str(config / "containerd.toml")],
        "etcd": _etcd(layout),
        "kube-apiserver": [program("kube-apiserver"), *_api_server_flags(layout)],
        "kube-controller-manager": [program("kube-controller-manager"), *_controller_manager_flags(layout)],
        "kube-scheduler": [program("kube-scheduler"), *_scheduler_flags(layout)],
        "kubelet": [
            program("kubelet"),
            f"--config={config / 'kubelet.json'}",
            f"--kubeconfig={layout.pki_dir / layout.kubelet_user}.kubeconfig",
            f"--root-dir={layout.kubelet_dir}",
            f"--hostname-override={layout.node_name}",
            f"--node-ip={layout.node_address}",
        ],
        "kube-proxy": [program("kube-proxy"), f"--config={config / 'proxy.json'}"],
    }


def _etcd(layout: Layout) -> list[str]:
    return [
        "etcd",
        f"--name={layout.node_name}",
        f"--data-dir={layout.etcd_dir}",
        f"--listen-client-urls=http://127.0.0.1:{ETCD_PORT}",
        f"--advertise-client-urls=http://127.0.0.1:{ETCD_PORT}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--logger=zap",
        "--log-level=warn",
        "--snapshot-count=10000",
    ]


def _api_server_flags(layout: Layout) -> list[str]:
    pki = layout.pki_dir
    return [
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        f"--advertise-address={layout.node_address}",
        f"--bind-address={layout.node_address}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={layout.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",  # else exec and logs look the node's name up
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        # The aggregation layer, for metrics-server.
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        "--enable-aggregator-routing=true",
    ]


def _controller_manager_flags(layout: Layout) -> list[str]:
    pki = layout.pki_dir
    kubeconfig = pki / "controller-manager.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--horizontal-pod-autoscaler-sync-period=5s",
    ]


def _scheduler_flags(layout: Layout) -> list[str]:
    kubeconfig = layout.pki_dir / "scheduler.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
