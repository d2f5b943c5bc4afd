"""Any order of registry calls, held against a model: the answers, the documents, the companies, the legacy hashes.

The flag goes on and off between them. The registries' clock goes a second on at each look: legacy times are in seconds.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from contract import keys
from contract.flag import FlagDocument, encode
from service.rpc import registry, unified_registry
from service.settings import Settings
from tests.service.application import Api, in_process
from tests.service.rpc.registry_model import DEFAULT, RegistryModel, UnifiedEntry
from tests.service.valkey_server import RunningValkey, settings_for

USERS = st.sampled_from(["u", "v", "w *", "[é]"])
SESSIONS = st.sampled_from(["s", "t", "*"])
COMPANIES = st.sampled_from([DEFAULT, "acme", "beta"])
ROUTES = st.sampled_from([None, "", "http://route"])
NAMES = st.sampled_from(["a", "b", "c"])
_lives = itertools.count()
_revisions = itertools.count(1)
_seconds = itertools.count()


class TickingClock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=next(_seconds))


class Running:
    """The application on a loop of its own, for hypothesis is no coroutine."""

    def __init__(self, runner: asyncio.Runner, api: Api) -> None:
        self._runner = runner
        self._api = api

    def data(self, method: str, *args: Any) -> Any:
        return self.run(self._api.data(method, *args))

    def switch(self, client: Any, *, on: bool) -> None:
        client.set(keys.FLAG, encode(FlagDocument(revision=next(_revisions), enabled=on)))
        self.run(self._api.app.state.services.flag.reread())  # type: ignore[attr-defined]

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        api = runner.run(stack.enter_async_context(in_process(settings)))
        try:
            yield Running(runner, api)
        finally:
            runner.run(stack.aclose())


class Registries(RuleBasedStateMachine):
    """Ids carry the number of the example, so that one never meets another's entries."""

    def __init__(self, service: Running, valkey: RunningValkey, *, on: bool) -> None:
        super().__init__()
        self._service = service
        self._client = valkey.client()
        self._life = f"{next(_lives)} "
        self._model = RegistryModel(on=on)
        self._service.switch(self._client, on=on)

    def own(self, name: str) -> str:
        return name if name == DEFAULT else self._life + name

    def call(self, method: str, *args: Any) -> Any:
        return self._service.data(method, *args)

    def teardown(self) -> None:
        self._client.close()

    @rule(on=st.booleans())
    def switch_the_flag(self, on: bool) -> None:
        self._service.switch(self._client, on=on)
        self._model.on = on

    @rule(user=USERS, session=SESSIONS, route=ROUTES)
    def register_user(self, user: str, session: str, route: str | None) -> None:
        user, session = self.own(user), self.own(session)
        answer = self.call("REGISTRY.register_user", user, session, route)
        assert (answer["user_id"], answer["session_id"], answer["backend_route"]) == (user, session, route or "")
        self._model.register(user, session, route or "")

    @rule(session=SESSIONS)
    def unregister_session(self, session: str) -> None:
        session = self.own(session)
        assert self.call("REGISTRY.unregister_session", session) is self._model.unregister(session)

    @rule(user=USERS, session=SESSIONS, company=COMPANIES, authorized=st.lists(COMPANIES, max_size=4), route=ROUTES)
    def register_user_session(
        self, user: str, session: str, company: str, authorized: list[str], route: str | None
    ) -> None:
        user, session, company = self.own(user), self.own(session), self.own(company)
        companies = [self.own(name) for name in authorized]
        answer = self.call("UNIFIED_REGISTRY.register_user_session", user, session, company, companies, route)
        self._model.register_session(user, session, company, companies, route or "")
        assert _plain(answer) == _expected(user, self._model.unified[user])

    @rule(session=SESSIONS)
    def unregister_user_session(self, session: str) -> None:
        session = self.own(session)
        answer = self.call("UNIFIED_REGISTRY.unregister_user_session", session)
        assert answer is self._model.unregister_session(session)

    @rule(user=USERS)
    def heartbeat(self, user: str) -> None:
        user = self.own(user)
        assert self.call("UNIFIED_REGISTRY.update_user_heartbeat", user) is self._model.beat(user)

    @rule(user=USERS, key=st.sampled_from(["collections", "active_conversations"]), names=st.lists(NAMES, max_size=4))
    def replace_a_list(self, user: str, key: str, names: list[str]) -> None:
        user = self.own(user)
        service = "chroma" if key == "collections" else "llm"
        entry = self._model.touch(user)
        answer = self.call("UNIFIED_REGISTRY.update_user_service", user, service, {key: names})
        assert answer is (entry is not None)
        if entry is not None:
            setattr(entry, "collections" if service == "chroma" else "conversations", list(dict.fromkeys(names)))

    @rule(user=USERS, key=NAMES, value=st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5)))
    def set_a_field(self, user: str, key: str, value: Any) -> None:
        user = self.own(user)
        entry = self._model.touch(user)
        assert self.call("UNIFIED_REGISTRY.update_user_service", user, "mail", {key: value}) is (entry is not None)
        if entry is not None:
            entry.services.setdefault("mail", {})[key] = value

    @rule(user=USERS, name=NAMES, session=SESSIONS)
    def register_collection(self, user: str, name: str, session: str) -> None:
        user = self.own(user)
        self.call("CHROMA_VECTOR.register_collection_user", user, name, self.own(session))
        self._model.add_collection(user, name)

    @rule(user=USERS, name=NAMES)
    def heartbeat_collection(self, user: str, name: str) -> None:
        user = self.own(user)
        answer = self.call("CHROMA_VECTOR.heartbeat_collection", user, name)
        assert answer["heartbeat_updated"] is self._model.beat_collection(user, name)

    @rule(user=USERS, name=NAMES)
    def unregister_collection(self, user: str, name: str) -> None:
        user = self.own(user)
        answer = self.call("CHROMA_VECTOR.unregister_collection_user", user, name)
        assert answer["unregistered"] is self._model.remove_collection(user, name)

    @rule(user=USERS)
    def read(self, user: str) -> None:
        user = self.own(user)
        document = self.call("UNIFIED_REGISTRY.get_user_registry", user)
        entry = self._model.follow(user)
        assert (None if document is None else _plain(document)) == (entry and _expected(user, entry))

    @rule(company=COMPANIES)
    def read_company(self, company: str) -> None:
        company = self.own(company)
        found = self.call("UNIFIED_REGISTRY.get_company_active_users", company)
        own = [user for user in found if user.startswith(self._life)]
        assert own == self._model.active_users(company)

    @invariant()
    def legacy_hashes_are_the_models(self) -> None:
        for user in map(self.own, ("u", "v", "w *", "[é]")):
            found: Any = self._client.hmget(keys.legacy_user(user), "session_id", "backend_route")
            words = tuple((word or b"").decode() for word in found) if found[0] is not None else None
            assert words == self._model.legacy.get(user)


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Without times."""
    document["user_info"].pop("last_seen_at")
    document["services"]["chroma"].pop("last_heartbeat")
    document["heartbeat"].pop("last_heartbeat")
    return document


def _expected(user: str, entry: UnifiedEntry) -> dict[str, Any]:
    status = "online" if entry.online else "offline"
    return {
        "user_info": {"user_id": user, "session_id": entry.session, "backend_route": entry.route, "status": status},
        "companies": {
            "current_company_id": entry.company,
            "authorized_companies_ids": entry.authorized,
            "company_roles": dict.fromkeys(entry.authorized, "user"),
        },
        "services": {
            "chroma": {"collections": entry.collections},
            "llm": {"active_conversations": entry.conversations, "model_preferences": {}},
            "tasks": {"active_tasks": [], "task_history": []},
            **entry.services,
        },
        "heartbeat": {"ttl_seconds": 90},
    }


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
def test_any_order_of_calls(shared_valkey: RunningValkey, monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    settings = settings_for(shared_valkey.settings)
    for module in (registry, unified_registry):
        monkeypatch.setattr(module, "datetime", TickingClock)
    limits = examples(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck), database=None)
    with running(settings) as service:
        # It takes any factory of machines; its declaration says class.
        machine: Any = partial(Registries, service, shared_valkey, on=on)
        run_state_machine_as_test(machine, settings=limits)
