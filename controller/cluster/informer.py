"""Keeps a store in step with the API server for one kind: list, watch, and again when the stream breaks.

Unlike kopf's handlers, a new list also tells what went away while nobody watched.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from contract.kubernetes import FIELD_MANAGER, LABEL_MANAGED_BY
from controller.cluster.client import KubernetesApi
from controller.cluster.store import Store
from controller.model.errors import ApiExpired, ApiRefused, OperatorError
from controller.model.kinds import Kind

SELECTOR: Final = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"
# Short even after long: drift is put right within ten seconds of the API server's return.
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
log = logging.getLogger(__name__)


class Informer:
    """One kind in one namespace (None: in all). `synced` is set once the first list is in the store. `let_in` is called
    when what was refused is answered again."""

    def __init__(
        self,
        api: KubernetesApi,
        store: Store,
        kind: Kind,
        namespace: str | None,
        let_in: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._store = store
        self._kind = kind
        self._namespace = namespace
        self._failures = 0
        self._let_in = let_in
        self._is_refused = False
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        version: str | None = None
        while True:
            try:
                version = await self._follow(version)
                self._failures = 0
            except ApiExpired:
                version = None
            except OperatorError as error:
                version = None
                await self._wait_after(error)

    async def _follow(self, version: str | None) -> str:
        """Lists where there is no version to go on from, then watches; the version at the stream's end."""
        if version is None:
            documents, version = await self._api.list(self._kind, self._namespace, SELECTOR)
            self._store.replace(self._kind, self._namespace, documents, version)
            self.synced.set()
            if self._is_refused:
                self._is_refused = False
                self._let_in()
        async for event, document in self._api.watch(self._kind, self._namespace, SELECTOR, version):
            self._failures = 0
            version = str(document["metadata"]["resourceVersion"])
            if event == "DELETED":
                self._store.remove(document)
            elif event != "BOOKMARK":
                self._store.put(document)
        return version

    async def _wait_after(self, error: OperatorError) -> None:
        delay = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311
        self._failures += 1
        if isinstance(error, ApiRefused) and not self._is_refused:
            self._is_refused = True
            place = f"namespace {self._namespace}" if self._namespace else "all namespaces"
            log.error("%s cannot be watched in %s, refused: see watchNamespaces and its Role", self._kind.plural, place)
        log.warning("watch of %s broke off, listing again in %.1f s: %s", self._kind.plural, delay, error)
        await asyncio.sleep(delay)
