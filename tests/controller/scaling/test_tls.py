"""An external Valkey behind TLS, with an authority from a Secret: the operator and its workers reach it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.controller.cluster.operator import UNPLACEABLE, Namespace, Operator, wait_for
from tests.controller.scaling.broker import Broker
from tests.service.tls_front import tls_front

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

PATIENCE_S = 120.0
TYPES = ("document_analysis", "vector_embeddings", "report_generation", "data_transformation", "ml_analysis")


@pytest.fixture
def front(broker: Broker, tmp_path: Path) -> Iterator[int]:
    with tls_front(broker.port, tmp_path, broker.address) as port:
        yield port


def test_a_worker_is_woken_and_works_through_tls(
    place: Namespace, operator: Operator, broker: Broker, image: str, front: int, tmp_path: Path
) -> None:
    mine = replace(place, service="secured")
    authority = (tmp_path / "certificate.pem").read_text()
    (tmp_path / "ca.crt").write_text(authority[authority.index("-----BEGIN CERTIFICATE") :])
    mine.kubectl("create", "secret", "generic", "valkey-ca", f"--from-file={tmp_path / 'ca.crt'}")
    tls = {"enabled": True, "caSecretRef": {"name": "valkey-ca", "key": "ca.crt"}}
    mine.apply(
        {
            "apiVersion": "pinnokio.io/v1alpha1",
            "kind": "PinnokioService",
            "metadata": {"name": mine.service},
            "spec": {
                "image": image,
                "api": {"resources": UNPLACEABLE},
                "beat": {"enabled": False},
                "queues": [
                    {"name": "default", "minReplicas": 0, "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
                ],
                "routes": dict.fromkeys((*TYPES, "llm_conversation", "cleanup", "health_check"), "default"),
                "valkey": {"mode": "external", "external": {"host": broker.address, "port": front, "tls": tls}},
            },
        }
    )
    # The operator's own way through TLS: it publishes the flag, and sees what waits.
    wait_for(lambda: mine.status().get("flag", {}).get("published"), bool, PATIENCE_S)
    broker.send(1, "default")
    wait_for(broker.started, lambda seen: seen == 1, PATIENCE_S)
    broker.open_gate()
    wait_for(broker.ended, lambda seen: seen == 1, PATIENCE_S)
    mine.kubectl("delete", "psvc", mine.service, "--wait=false")
