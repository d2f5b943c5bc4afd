"""A small, steady load of registrations on the API's pods: each user in turn, until it is stopped."""

import json
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

THREADS = 3
PAUSE_S = 0.02
ANSWER_S = 20.0


@dataclass
class Traffic:
    """`addresses`: where the pods are now. `failures`: what callers saw that was no success, by its words."""

    addresses: Callable[[], list[str]]
    users: list[str]
    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Traffic":
        for number in range(THREADS):
            thread = threading.Thread(target=self._run, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(ANSWER_S + 5)

    def _run(self, number: int) -> None:
        addresses, turn = self.addresses(), number
        while not self._stopped.is_set():
            turn += THREADS
            address = addresses[turn % len(addresses)]
            try:
                answer = call(address, "REGISTRY.register_user", self.users[turn % len(self.users)], f"s{turn}")
                if not answer["ok"]:
                    self.failures[str(answer["error"])] += 1
            except OSError as error:
                self.failures[str(error)] += 1
                addresses = self.addresses()
            self.calls += 1
            time.sleep(PAUSE_S)


def call(address: str, method: str, *args: object) -> dict[str, object]:
    """The whole answer of one call."""
    body = {"api_version": "v1", "method": method, "args": args, "idempotency_key": uuid.uuid4().hex}
    request = urllib.request.Request(
        f"http://{address}:8090/rpc", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
        decoded: dict[str, object] = json.loads(answer.read())
    return decoded
