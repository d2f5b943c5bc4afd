"""`make up`: the main job on a real Kubernetes, each step shown, and where to look next."""

import base64
import sys
import uuid
from typing import Any

from tests import cluster as clusters
from tests.cluster.model import BIN_DIR, REPOSITORY, Cluster, ClusterError
from tests.cluster.steps import say, step
from tests.documents import sample_invoice_pdf
from tests.e2e import release
from tests.e2e.client import Client, forwarded
from tests.e2e.images import build_and_load

NAMESPACE = "pinnokio"
NAME = "sample"
USER = "demo-user"
BAR_WIDTH = 30
ENDS = ("completed", "failed")


def main() -> int:
    try:
        up()
    except ClusterError as error:
        say(f"\n{error}\n\nWithout Kubernetes: `make dev` runs the API, workers and beat on this machine.")
        return 1
    return 0


def up() -> None:
    cluster = clusters.ensure()
    images = build_and_load(cluster)
    with step("operator (helm upgrade --install)"):
        release.install_operator(cluster, NAMESPACE, images)
    with step(f"PinnokioService {NAMESPACE}/{NAME}") as progress:
        release.apply(cluster, NAMESPACE, release.sample_service(NAME, images))
        release.wait_ready(cluster, NAMESPACE, NAME, progress)
    # The kubeconfig is this clone's own copy: whoever takes it up sees the service without naming its namespace.
    cluster.kubectl("config", "set-context", "--current", "--namespace", NAMESPACE)
    say()
    say(cluster.kubectl("get", "pinnokioservices"))
    with forwarded(cluster, NAMESPACE, NAME) as client:
        show_analysis(client)
    show_next_steps(cluster)


def show_analysis(client: Client) -> dict[str, Any]:
    """Sends one real PDF, draws its progress as the events arrive, prints what was found; the result."""
    client.rpc("REGISTRY.register_user", USER, uuid.uuid4().hex)
    pdf = {"content_base64": base64.b64encode(sample_invoice_pdf()).decode(), "mime": "application/pdf"}
    say("One invoice (PDF, Factur-X), sent by RPC, analysed by a worker pod, its events from the WebSocket:")
    last: dict[str, Any] = {}
    for last in client.analyse(USER, pdf, uuid.uuid4().hex[:12]):
        what = last["status"] if last["status"] in ENDS else last["current_step"]
        say(f"  {draw_bar(last['progress'])} {what}")
    if last["status"] != "completed":
        raise ClusterError(f"the analysis failed: {last['data'].get('error')}")
    say()
    for name, found in last["data"]["fields"].items():
        check = {True: "✓ check digits", False: "✗ check digits", None: ""}[found.get("valid")]
        say(f"  {name:<16} {found['value'] or '-':<32} {found['source'] or '':<9} {found['confidence']:.0%}  {check}")
    for finding in last["data"]["findings"]:
        say(f"  {finding['severity']}: {finding['message']}")
    say()
    result: dict[str, Any] = last["data"]
    return result


def draw_bar(percent: int) -> str:
    """`███████░░░  70 %`."""
    filled = round(BAR_WIDTH * percent / 100)
    return f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {percent:>3} %"


def show_next_steps(cluster: Cluster) -> None:
    kubeconfig = cluster.kubeconfig
    if kubeconfig.is_relative_to(REPOSITORY):
        kubeconfig = kubeconfig.relative_to(REPOSITORY)
    tools = BIN_DIR.relative_to(REPOSITORY)
    say("Where to look next:")
    say(f"  export KUBECONFIG={kubeconfig} PATH=$PWD/{tools}:$PATH")
    say("  kubectl get pinnokioservices,pods                 what runs")
    say(f"  kubectl describe pinnokioservice {NAME}            conditions and events")
    say("  kubectl logs -l app.kubernetes.io/component=worker --prefix")
    say(f"  kubectl port-forward service/{NAME}-api 8090       then, in a browser: http://127.0.0.1:8090/status")
    say(f"  kubectl get secret {NAME}-auth -o jsonpath='{{.data.token}}' | base64 -d    the password of /status")
    say("  docs/operations.md                                how to run it;  make down  takes it away")


if __name__ == "__main__":
    sys.exit(main())
