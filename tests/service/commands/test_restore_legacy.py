"""`python -m service restore-legacy` on a real Valkey: who is live comes back, once, and an interrupted run goes on."""

import asyncio
import io
import re
import signal
from typing import Any

import msgspec
import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from contract.restoring import RestoreProgress
from service.commands.restore_legacy import restore
from service.store.client import Valkey
from service.store.restoring import LegacyRestore
from tests.service.application import Api, in_process
from tests.service.commands.running import command, run
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

FAST = 1_000_000
USERS = 40


@pytest.fixture
async def without_legacy(make_settings: MakeSettings, valkey: Valkey) -> Any:
    """The application after 24 h at 100 %: legacy entries are not written any more."""
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True, legacy_writes=False)))
    async with in_process(make_settings()) as running:
        yield running


async def fields(valkey: Valkey, key: str) -> dict[str, str]:
    found: Any = await valkey.hgetall(key)
    return {name.decode(): value.decode() for name, value in found.items()}


async def test_live_users_come_back(without_legacy: Api, make_settings: MakeSettings, valkey: Valkey) -> None:
    answers = {user: await without_legacy.data("REGISTRY.register_user", user, f"s-{user}", "r") for user in "abc"}
    await without_legacy.data("REGISTRY.unregister_session", "s-c")
    assert await valkey.keys("registry:user:*") == []
    out = io.StringIO()
    progress = await restore(make_settings(), FAST, out=out)
    assert (progress.live, progress.restored) == (2, 2)
    assert out.getvalue().endswith("2 live users, 2 legacy entries written\n")
    for user in "ab":
        assert await fields(valkey, f"registry:user:{user}") == answers[user]
        assert 86_390 < await valkey.ttl(f"registry:user:{user}") <= 86_400
    assert await valkey.exists("registry:user:c") == 0
    # The flag may go off now: the old way of ending a session finds them.
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=2, enabled=False)))
    async with in_process(make_settings()) as off:
        assert await off.data("REGISTRY.unregister_session", "s-a") is True
    assert (await restore(make_settings(), FAST, out=out)).restored in (0, 1)
    assert await valkey.exists(keys.RESTORE_LEGACY) == 0


async def test_a_newer_legacy_entry_stays(without_legacy: Api, make_settings: MakeSettings, valkey: Valkey) -> None:
    for user in ("older", "newer"):
        await without_legacy.data("REGISTRY.register_user", user, "s")
    entry: Any = {"session_id": "t", "last_seen_at": "2020-01-01T00:00:00Z"}
    await valkey.hset("registry:user:older", mapping=entry)
    await valkey.hset("registry:user:newer", mapping=entry | {"last_seen_at": "2999-01-01T00:00:00Z"})
    assert (await restore(make_settings(), FAST, out=io.StringIO())).restored == 1
    assert (await fields(valkey, "registry:user:older"))["session_id"] == "s"
    assert (await fields(valkey, "registry:user:newer"))["session_id"] == "t"


async def test_a_session_that_ends_meanwhile_stays_ended(
    without_legacy: Api, make_settings: MakeSettings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_legacy.data("REGISTRY.register_user", "u", "s")
    read_live = LegacyRestore._read_live

    async def then_ends(self: LegacyRestore, users: list[str]) -> Any:
        live = await read_live(self, users)
        if live:
            await without_legacy.data("REGISTRY.unregister_session", "s")
        return live

    monkeypatch.setattr(LegacyRestore, "_read_live", then_ends)
    await restore(make_settings(), FAST, out=io.StringIO())
    assert await valkey.exists("registry:user:u") == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_an_interrupted_run_goes_on(
    without_legacy: Api, shared_valkey: RunningValkey, valkey: Valkey, how: signal.Signals
) -> None:
    """Interrupted somewhere in the middle; the next run ends the work and does not begin anew.

    At this rate the whole takes six seconds: the signal comes in time on a busy machine too.
    """
    await _fill(valkey, 3_000)
    line, environ = command(shared_valkey, "restore-legacy", "--rate", "500")
    # Tests that a script runs in the background ignore SIGINT, and so would their children.
    process = await asyncio.create_subprocess_exec(
        *line, env=environ, stderr=asyncio.subprocess.PIPE, preexec_fn=_interruptible
    )
    try:

        async def is_under_way() -> bool:
            raw = await valkey.get(keys.RESTORE_LEGACY)
            return raw is not None and b'"cursor":"0"' not in raw

        await eventually(is_under_way, deadline_s=30)
        process.send_signal(how)
        async with asyncio.timeout(15):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert b"Traceback" not in said
    restored = len(await valkey.keys("registry:user:*"))
    assert 0 < restored < 3_000
    resumed = await asyncio.to_thread(run, shared_valkey, "restore-legacy", "--rate", str(FAST))
    assert resumed.returncode == 0, resumed.stderr
    assert "going on where the last run stopped" in resumed.stderr
    assert re.search(r"100% [\d,]+ keys, 3,000 live users, [\d,]+ written\n", resumed.stderr), resumed.stderr
    assert len(await valkey.keys("registry:user:*")) == 3_000
    assert await valkey.exists(keys.RESTORE_LEGACY) == 0


async def _fill(valkey: Valkey, users: int) -> None:
    pipeline = valkey.pipeline(transaction=False)
    for number in range(users):
        entry: Any = {
            "user_id": f"u{number}",
            "session_id": f"s{number}",
            "status": "online",
            "last_seen_at": "2030-01-01T00:00:00+00:00",
        }
        pipeline.hset(keys.unified_user(f"u{number}"), mapping=entry)
    await pipeline.execute()


async def test_a_cursor_of_another_server_is_not_used(make_settings: MakeSettings, valkey: Valkey) -> None:
    await _fill(valkey, USERS)
    anothers = RestoreProgress(server="another", cursor="77", scanned=9, live=9, restored=9)
    for kept in (msgspec.json.encode(anothers), b"no progress"):
        await valkey.set(keys.RESTORE_LEGACY, kept)
        out = io.StringIO()
        assert (await restore(make_settings(), FAST, out=out)).live == USERS
        assert "going on" not in out.getvalue()


async def test_the_rate_is_kept(make_settings: MakeSettings, valkey: Valkey) -> None:
    await _fill(valkey, USERS)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await restore(make_settings(), USERS / 0.4, out=io.StringIO())
    assert loop.time() - started >= 0.4


async def test_legacy_writes_that_are_off_are_warned_of(without_legacy: Api, make_settings: MakeSettings) -> None:
    out = io.StringIO()
    await restore(make_settings(), FAST, out=out)
    assert "legacy writes are off" in out.getvalue()


async def test_on_a_terminal_one_line_grows(make_settings: MakeSettings, valkey: Valkey) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    await _fill(valkey, USERS)
    out = Terminal()
    await restore(make_settings(), FAST, out=out)
    assert f"[{'#' * 30}] 100%" in out.getvalue()
    assert out.getvalue().count("\n") == 2


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
