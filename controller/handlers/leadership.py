"""Holds the Lease that lets this operator act: waits for it, renews it, says when it is lost, gives it back."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from controller.cluster.client import KubernetesApi
from controller.model.base import JsonObject
from controller.model.errors import ApiConflict, OperatorError
from controller.model.kinds import LEASE, POD
from controller.plan.leadership import (
    RENEW_EVERY_S,
    STOP_ACTING_AFTER_S,
    Holder,
    Verdict,
    Watched,
    build_lease,
    build_release,
    holder_of,
    is_pod_gone,
    plan_claim,
)

LOOK_EVERY_S: Final = 2.0
RETRY_S: Final = 1.0
log = logging.getLogger(__name__)


class Leadership:
    """One Lease. `changed` hears whether it is held; nothing as long as that is not known."""

    def __init__(
        self,
        api: KubernetesApi,
        name: str,
        namespace: str,
        me: Holder,
        changed: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._name = name
        self._namespace = namespace
        self._me = me
        self._changed = changed
        self._clock = clock
        self._held: JsonObject | None = None
        self._held_at = 0.0
        # Holder and time of renewal as read last, and since when they stand.
        self._seen: tuple[object, ...] = ()
        self._seen_since = clock()

    async def wait(self) -> None:
        """Returns once it is held."""
        is_told = False
        while (verdict := await self._try()) is not Verdict.TAKE:
            if verdict is Verdict.WAIT and not is_told:
                log.info("another operator holds the lease %s/%s: standing by", self._namespace, self._name)
                self._changed(False)
                is_told = True
            await asyncio.sleep(LOOK_EVERY_S)
        log.info("holds the lease %s/%s", self._namespace, self._name)
        self._changed(True)

    async def keep(self) -> None:
        """Renews it, and returns when it is lost: someone else has it, or it could not be renewed in time."""
        pause_s = RENEW_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            left_s = self._held_at + STOP_ACTING_AFTER_S - self._clock()
            try:
                async with asyncio.timeout(left_s):
                    await self._write(self._held)
                pause_s = RENEW_EVERY_S
            except ApiConflict:
                if not await self._is_still_mine():
                    break
                pause_s = 0.0
            except (OperatorError, TimeoutError) as error:
                log.warning("lease not renewed: %s", error or type(error).__name__)
                pause_s = RETRY_S
            if self._clock() - self._held_at >= STOP_ACTING_AFTER_S:
                break
        log.warning("lost the lease %s/%s: standing by", self._namespace, self._name)
        self._held = None
        self._changed(False)

    async def release(self) -> None:
        """Gives it back, so that the next one need not wait; where that fails, it runs out."""
        if self._held is None:
            return
        held, self._held = self._held, None
        self._changed(False)
        try:
            await self._api.replace(LEASE, self._namespace, self._name, build_release(held, datetime.now(UTC)))
        except OperatorError as error:
            log.info("lease not given back, it runs out: %s", error)

    async def _try(self) -> Verdict | None:
        """TAKE: it is held now; WAIT: another holds it; None: not known."""
        try:
            seen = await self._look()
            verdict = plan_claim(self._me, seen)
            if verdict is Verdict.WAIT:
                return verdict
            await self._write(seen.lease)
        except ApiConflict:
            # Someone was quicker.
            return None
        except OperatorError as error:
            log.warning("lease %s/%s cannot be had: %s", self._namespace, self._name, error)
            return None
        return Verdict.TAKE

    async def _look(self) -> Watched:
        lease = await self._api.get(LEASE, self._namespace, self._name)
        if lease is None:
            return Watched(None)
        holder, spec = holder_of(lease), lease.get("spec") or {}
        stands = (spec.get("holderIdentity"), spec.get("renewTime"))
        if stands != self._seen:
            self._seen, self._seen_since = stands, self._clock()
        gone = None
        if holder is not None and holder.pod_uid is not None and holder.name != self._me.name:
            gone = is_pod_gone(holder, await self._api.get(POD, self._namespace, holder.name))
        return Watched(lease, self._clock() - self._seen_since, gone)

    async def _write(self, known: JsonObject | None) -> None:
        """Raises ApiConflict where it is not as known any more."""
        began = self._clock()
        lease = build_lease(self._name, self._namespace, self._me, known, datetime.now(UTC))
        if known is None:
            self._held = await self._api.create(LEASE, self._namespace, lease)
        else:
            self._held = await self._api.replace(LEASE, self._namespace, self._name, lease)
        self._held_at = began

    async def _is_still_mine(self) -> bool:
        """A renewal whose answer was lost makes the next one a conflict with oneself."""
        try:
            lease = await self._api.get(LEASE, self._namespace, self._name)
        except OperatorError:
            return True
        holder = holder_of(lease) if lease else None
        if holder is None or holder.name != self._me.name:
            return False
        self._held = lease
        return True
