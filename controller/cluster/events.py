"""Events of a PinnokioService (`kubectl events --for pinnokioservice/NAME`): a typed reason and one sentence."""

import logging
from datetime import UTC, datetime
from typing import Final, Literal

from controller.cluster.client import KubernetesApi
from controller.model.errors import OperatorError
from controller.model.kinds import EVENT, SERVICE_RESOURCE
from controller.model.service import PinnokioService

REPORTER: Final = "pinnokio.io/operator"
NOTE_MAX: Final = 1024
log = logging.getLogger(__name__)


class EventWriter:
    """Writes events; one that cannot be written is logged and forgotten."""

    def __init__(self, api: KubernetesApi, instance: str) -> None:
        self._api = api
        self._instance = instance

    async def write(
        self,
        service: PinnokioService,
        kind: Literal["Normal", "Warning"],
        reason: str,
        action: str,
        note: str,
    ) -> None:
        document = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"generateName": f"{service.key.name}-", "namespace": service.key.namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": kind,
            "reason": reason,
            "action": action,
            "note": note[:NOTE_MAX],
            "reportingController": REPORTER,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": SERVICE_RESOURCE.api_version,
                "kind": SERVICE_RESOURCE.name,
                "namespace": service.key.namespace,
                "name": service.key.name,
                "uid": service.uid,
            },
        }
        try:
            await self._api.create(EVENT, service.key.namespace, document)
        except OperatorError as error:
            log.warning("event %s of %s was not written: %s", reason, service.key, error)
