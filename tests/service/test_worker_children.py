"""Children that a worker makes anew while it has connections, and children that end while it has none."""

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kombu.asynchronous.hub import Hub

from service.worker.pool import ChildPool
from tests.service.running_worker import User, children_of, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually


def sockets_of(pid: int) -> set[int]:
    """The inodes of its sockets."""
    links = (str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir())
    return {int(found[1]) for link in links if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}


def inode_of(port: int) -> int:
    """Of the socket on this machine that is bound to a port and connected."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return next(int(each[9]) for each in lines if int(each[1].partition(":")[2], 16) == port and each[3] == "01")


async def test_a_new_child_keeps_no_socket_that_its_parent_polls(
    user: User, valkey_server: RunningValkey, tmp_path: Path
) -> None:
    """The parent's poll would tell of it for as long as the child lives, whatever the parent does with it."""
    with running_worker(valkey_server, tmp_path, WORKER_MAX_TASKS_PER_CHILD="1") as worker:
        parent = worker.process.pid
        (first,) = children_of(parent)
        await user.start("test_echo", "last", number=1)
        await user.events_until_end("last")

        async def new_children() -> list[int]:
            return [child for child in children_of(parent) if child != first]

        (child,) = await eventually(new_children)
        # It works: what happens after a fork has happened.
        await user.start("test_wait", "held")
        await user.next_event()
        clients: list[dict[str, str]] = await user.valkey.client_list()
        polled = [each for each in clients if each["cmd"].partition("|")[0] in ("brpop", "subscribe", "psubscribe")]
        inodes = {inode_of(int(each["addr"].rpartition(":")[2])) for each in polled} & sockets_of(parent)
        assert inodes
        assert not inodes & sockets_of(child)
        await user.valkey.set(gate("held"), 1)


def test_a_child_that_ended_while_there_was_no_connection_is_heard_of_again() -> None:
    reading, writing = os.pipe()
    hub, pool = Hub(), object.__new__(ChildPool)
    ended: list[object] = []
    heard: Any = pool
    heard._event_process_exit = lambda _hub, proc: ended.append(proc)
    # As Celery leaves it: heard of, and not reaped yet.
    child = SimpleNamespace(_sentinel_poll=None, _popen=SimpleNamespace(sentinel=reading))
    os.close(writing)
    pool._track_child_process(child, hub)
    hub.run_once()
    assert ended == [child]
    hub.remove(child._sentinel_poll)
    hub.close()
    os.close(child._sentinel_poll)
    os.close(reading)
