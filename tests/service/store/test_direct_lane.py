"""The lane that waits where it stands: the same promises as the one that many share."""

import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ClusterCrossSlotError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.client import Valkey
from service.store.direct_lane import DirectLane
from service.store.scripts import Script
from tests.service.faults.proxy import Proxy, running_proxy
from tests.service.tls_front import tls_front
from tests.service.valkey_server import RunningValkey, running_valkey


class Interrupted(BaseException):
    pass


@pytest.fixture
def proxy(valkey_server: RunningValkey) -> Iterator[Proxy]:
    with running_proxy(valkey_server.port) as running:
        yield running


@pytest.fixture
async def direct(valkey_server: RunningValkey, proxy: Proxy) -> AsyncIterator[DirectLane]:
    lane = DirectLane(replace(valkey_server.settings, port=proxy.port), answer_timeout_s=1)
    yield lane
    await lane.close()


async def test_answers_in_order_and_errors_in_their_place(direct: DirectLane) -> None:
    assert await direct.run() == []
    answers = await direct.run(("SET", "text", "a"), ("INCR", "text"), ("GET", "text"), ("MGET", "one", "other"))
    assert answers[0::2] == [b"OK", b"a"]
    assert isinstance(answers[1], ResponseError)
    assert isinstance(answers[3], ClusterCrossSlotError)
    with pytest.raises(ResponseError, match="not an integer"):
        await direct.ask("INCR", "text")
    large = "x" * 1_000_000
    await direct.ask("SET", "large", large)
    assert await direct.ask("GET", "large") == large.encode()


async def test_a_script_that_valkey_forgot_is_sent_again(direct: DirectLane, valkey: Valkey) -> None:
    echo = Script("return {KEYS[1], ARGV[1]}")
    for _ in range(2):
        await valkey.script_flush()
        assert await direct.run(("SET", "a", 1), ("EVAL", echo, 1, "k", 7)) == [b"OK", [b"k", b"7"]]
        await valkey.config_resetstat()
        await direct.ask("EVAL", echo, 1, "k", 7)
        stats: Any = await valkey.info("commandstats")
        assert "cmdstat_eval" not in stats


async def test_it_heals_after_a_cut(direct: DirectLane, proxy: Proxy) -> None:
    assert await direct.ask("PING") == b"PONG"
    with proxy.cut("refused"):
        for _ in range(2):
            with pytest.raises(RedisConnectionError):
                await direct.ask("PING")
    assert await direct.ask("PING") == b"PONG"


async def test_a_silent_server_is_given_up(direct: DirectLane, proxy: Proxy) -> None:
    await direct.ask("PING")
    with proxy.cut("silent"), pytest.raises(RedisTimeoutError):
        await direct.ask("PING")
    assert await direct.ask("PING") == b"PONG"


async def test_an_answer_after_a_signal_is_nobody_elses(direct: DirectLane, proxy: Proxy) -> None:
    """A time limit ends a handler wherever it stands."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    await direct.ask("SET", "a", "mine")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with proxy.cut("silent"):
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Interrupted):
                await direct.ask("GET", "a")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert await direct.ask("PING") == b"PONG"


async def test_password_database_and_tls(tmp_path: Path) -> None:
    with running_valkey(password="open-sesame", cluster=False) as server, tls_front(server.port, tmp_path) as port:
        secure = replace(server.settings, port=port, db=3, tls=True, tls_ca_file=str(tmp_path / "certificate.pem"))
        right = DirectLane(replace(secure, tls_verify=True))
        await right.ask("SET", "a", "b")
        await right.close()
        with server.client() as client:
            assert client.get("a") is None
        wrong = DirectLane(replace(secure, password="wrong"))
        with pytest.raises(RedisConnectionError, match="WRONGPASS"):
            await wrong.ask("PING")
        stranger = DirectLane(replace(secure, tls_verify=True, tls_ca_file=None))
        with pytest.raises(RedisConnectionError):
            await stranger.ask("PING")
