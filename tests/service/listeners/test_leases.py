"""Leases that are held for long: they stay held, and one that another process holds all the same is given up."""

from collections.abc import AsyncIterator

import pytest

from contract import keys
from service.listeners import chat, keeper
from service.settings import Settings
from service.store.client import Valkey
from service.store.lane import Lane
from service.store.leases import Leases
from tests.rtdb_standin.server import RtdbStandIn
from tests.service.application import Api, behind_uvicorn
from tests.service.listeners.conftest import SLOW_S, Tab, open_tab
from tests.service.waiting import eventually

USER, CHAT = keys.listener("u1"), keys.listener("u1:s:t")
POSITION = keys.chat_position("u1:s:t")


@pytest.fixture
async def api(listening: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(keeper, "EXTEND_S", 0.0)
    monkeypatch.setattr(chat, "NOTE_AGAIN_S", 0.1)
    async with behind_uvicorn(listening) as running:
        yield running


@pytest.fixture
async def tab(api: Api, database: RtdbStandIn, valkey: Valkey) -> AsyncIterator[Tab]:
    """A tab whose user and thread are listened for."""
    async with open_tab(api.websocket_url, query="&space_code=s&thread_key=t&mode=chats") as opened:
        await opened.next("notif.sync")
        await eventually(lambda: "s/chats/t/messages" in database.listened, deadline_s=SLOW_S)
        yield opened


@pytest.mark.usefixtures("tab")
async def test_nothing_runs_out_while_it_is_held(valkey: Valkey) -> None:
    await eventually(lambda: valkey.exists(POSITION), deadline_s=SLOW_S)
    for key in (USER, CHAT, POSITION):
        await valkey.expire(key, 60)

    async def are_extended() -> bool:
        return min([await valkey.ttl(key) for key in (USER, CHAT, POSITION)]) > 60

    await eventually(are_extended, deadline_s=SLOW_S)


@pytest.mark.usefixtures("tab")
async def test_what_another_holds_is_given_up(api: Api, valkey: Valkey, lane: Lane) -> None:
    await Leases(lane, "other", ttl_s=600).renew()
    for key in (USER, CHAT):
        await valkey.set(key, "other")

    async def listens_for_nobody() -> bool:
        listeners = api.app.state.listeners  # type: ignore[attr-defined]
        return (listeners.users_count, listeners.chats_count) == (0, 0)

    await eventually(listens_for_nobody, deadline_s=SLOW_S)
    assert await valkey.mget(USER) == [b"other"]
