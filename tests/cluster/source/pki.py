"""The cluster's certificates and kubeconfigs: one authority, a certificate for each part, made with openssl.

They are good for ten years and only for this cluster: `down` removes them with its data.
"""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.commands import capture
from tests.cluster.model import write_private
from tests.cluster.source.layout import Layout

DAYS = "3650"
_EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A certificate to issue: `subject` as openssl writes it, `names` as subject alternative names."""

    name: str
    subject: str
    usage: str = "clientAuth"
    names: str = ""
    authority: str = "ca"


def certificates_of(layout: Layout) -> list[Certificate]:
    """All certificates of the cluster but those of its authorities."""
    api_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    api_names.append("kubernetes.default.svc.cluster.local")
    api_addresses = ["127.0.0.1", layout.node_address, layout.api_service_address]
    return [
        Certificate(
            "apiserver",
            "/CN=kube-apiserver",
            "serverAuth",
            ",".join([*(f"DNS:{name}" for name in api_names), *(f"IP:{a}" for a in api_addresses)]),
        ),
        Certificate("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("front-proxy-client", "/CN=front-proxy-client", authority="front-proxy-ca"),
        Certificate("admin", "/O=system:masters/CN=admin"),
        Certificate("controller-manager", "/CN=system:kube-controller-manager"),
        Certificate("scheduler", "/CN=system:kube-scheduler"),
        Certificate("proxy", "/CN=system:kube-proxy"),
        _certificate_of_node(layout),
    ]


def _certificate_of_node(layout: Layout) -> Certificate:
    names = f"DNS:{layout.node_name},IP:{layout.node_address}"
    subject = f"/O=system:nodes/CN=system:node:{layout.node_name}"
    return Certificate(layout.kubelet_user, subject, "clientAuth,serverAuth", names)


def create_pki(layout: Layout) -> None:
    """Make the authorities, the service account key, all certificates and kubeconfigs, unless they are there."""
    folder = layout.pki_dir
    complete = folder / "complete"
    if complete.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for authority in ("ca", "front-proxy-ca"):
        _create_authority(folder, authority)
    key, public = folder / "service-accounts.key", folder / "service-accounts.pub"
    capture(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)])
    capture(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)])
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda certificate: _issue(folder, certificate), certificates_of(layout)))
    for name in ("admin", "controller-manager", "scheduler", "proxy", "kubelet"):
        _write_kubeconfig(layout, name)
    complete.touch()


def create_node_credentials(layout: Layout) -> None:
    """kubelet's certificate and kubeconfig on a node that joins."""
    _issue(layout.pki_dir, _certificate_of_node(layout))
    _write_kubeconfig(layout, layout.kubelet_user)


def _write_kubeconfig(layout: Layout, user: str) -> None:
    write_private(layout.pki_dir / f"{user}.kubeconfig", build_kubeconfig(layout, user))


def build_kubeconfig(layout: Layout, user: str) -> str:
    """A kubeconfig with everything in it, as JSON, which is YAML too."""
    folder = layout.pki_dir
    cluster = {"server": layout.api_url, "certificate-authority-data": _base64(folder / "ca.crt")}
    credentials = {
        "client-certificate-data": _base64(folder / f"{user}.crt"),
        "client-key-data": _base64(folder / f"{user}.key"),
    }
    context = {"cluster": layout.name, "user": user, "namespace": "default"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": layout.name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": layout.name, "context": context}],
        "current-context": layout.name,
    }
    return json.dumps(document, indent=2) + "\n"


def _create_authority(folder: Path, name: str) -> None:
    capture(["openssl", "req", "-x509", *_EC_KEY, "-days", DAYS, "-subj", f"/CN=pinnokio-{name}",
             "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
             "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")])  # fmt: skip


def _issue(folder: Path, certificate: Certificate) -> None:
    extensions = ["-addext", f"extendedKeyUsage={certificate.usage}", "-addext", "basicConstraints=CA:FALSE"]
    if certificate.names:
        extensions += ["-addext", f"subjectAltName={certificate.names}"]
    authority = folder / certificate.authority
    capture(["openssl", "req", "-x509", *_EC_KEY, "-days", DAYS, "-subj", certificate.subject, *extensions,
             "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key",
             "-keyout", str(folder / f"{certificate.name}.key"),
             "-out", str(folder / f"{certificate.name}.crt")])  # fmt: skip


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
