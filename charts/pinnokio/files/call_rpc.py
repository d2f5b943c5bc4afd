"""`helm test` of a release with a PinnokioService: a user is registered by RPC, and unregistered again.

Run as `python -c SOURCE URL`, with the bearer token in LISTENERS_SERVICE_TOKEN (unset: the API asks for none); standard
library only. Ends 0 with one line on standard output, or 1 with what was wrong.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

DEADLINE_S = 150
PAUSE_S = 2
USER_ID = "helm-test"


class Refused(Exception):
    """The API answered, and asking again would not change its answer."""


def call(url: str, method: str, args: list[str]) -> object:
    """`data` of one call. OSError: nobody answered, or not yet; Refused: it was answered, with an error."""
    body = {
        "api_version": os.environ.get("RPC_API_VERSION", "v1"),
        "method": method,
        "args": args,
        "idempotency_key": str(uuid.uuid4()),
    }
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("LISTENERS_SERVICE_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the URL is the chart's own
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise
        raise Refused(f"HTTP {error.code}: {error.read().decode(errors='replace')}") from error
    if answer.get("ok") is not True:
        raise Refused(f"{method}: {answer.get('error')}")
    return answer["data"]


def call_when_up(url: str, method: str, args: list[str]) -> object:
    """As `call`, again and again while nobody answers, until the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return call(url, method, args)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)


def main(url: str) -> int:
    session_id = f"helm-test-{uuid.uuid4()}"
    try:
        data = call_when_up(url, "REGISTRY.register_user", [USER_ID, session_id])
        if not isinstance(data, dict) or data.get("session_id") != session_id:
            raise Refused(f"REGISTRY.register_user answered {data!r}")
        call_when_up(url, "REGISTRY.unregister_session", [session_id])
    except (Refused, OSError) as error:
        sys.stdout.write(f"FAIL: {url}: {error}\nLook at `kubectl get pinnokioservices` and the log of the API.\n")
        return 1
    sys.stdout.write(f"PASS: REGISTRY.register_user at {url} answered ok: true\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
