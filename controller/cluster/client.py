"""The API server by the official asyncio client: paths without discovery, errors as our own tree.

Every call is one request. Retrying is the reconcile queue's and the informers' business.
"""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient

from contract.kubernetes import FIELD_MANAGER
from controller.model.base import JsonObject
from controller.model.errors import ApiConflict, ApiExpired, ApiNotFound, ApiRefused, ApiUnavailable, OperatorError
from controller.model.kinds import Kind, kind_of

REQUEST_TIMEOUT_S: Final = 30
# The API server is asked to end a watch by itself after this long; it tells the version just before.
WATCH_ENDS_S: Final = 40
# So one that has said nothing for this long is dead: a silent line is noticed within a minute, where a bookmark alone,
# which comes each minute or so, would leave it a minute and a half.
WATCH_SILENCE_S: Final = 50
Observe = Callable[[str, str, int], None]
_REFUSALS: Final = frozenset({400, 403, 405, 413, 415, 422})
# An admission webhook that must be asked and cannot be. Its status, 500, says nothing about the API server itself.
WEBHOOK_FAILED: Final = "WebhookFailed"


class KubernetesApi:
    """Reads and writes of namespaced objects. `observe` hears of each request: verb, resource, status or 0."""

    def __init__(self, client: ApiClient, observe: Observe = lambda _verb, _resource, _status: None) -> None:
        # The official client carries no types here.
        self._client: Any = client
        self._dynamic: Any = cast("Any", DynamicClient)(client)
        self._observe = observe

    @classmethod
    async def connect(cls, observe: Observe = lambda _verb, _resource, _status: None) -> "KubernetesApi":
        """By the service account inside a pod, else by KUBECONFIG."""
        settings = Configuration()
        loaders: Any = config
        try:
            loaders.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            await loaders.load_kube_config(client_configuration=settings)
        # Unlimited: each watch holds one, and with ten namespaces to watch a request would wait for one in vain.
        settings.connection_pool_maxsize = 0
        client: Any = ApiClient(settings)
        client.user_agent = FIELD_MANAGER
        return cls(client, observe)

    async def close(self) -> None:
        await self._client.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        """None: there is no such object."""
        try:
            return await self._request("get", _path(kind, namespace, name))
        except ApiNotFound:
            return None

    async def list(self, kind: Kind, namespace: str | None, selector: str) -> tuple[list[JsonObject], str]:
        """Objects and the version to watch from. Namespace None: all of them."""
        answer = await self._request("get", _path(kind, namespace), label_selector=selector)
        for item in answer["items"]:
            # Entries of a list come without them.
            item |= {"apiVersion": kind.api_version, "kind": kind.name}
        return answer["items"], str(answer["metadata"]["resourceVersion"])

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str
    ) -> AsyncIterator[tuple[str, JsonObject]]:
        """Pairs of ADDED, MODIFIED, DELETED or BOOKMARK and the object, until the server ends the stream.

        Raises ApiExpired where `version` is too old.
        """
        response = await self._raw_request(
            "get",
            _path(kind, namespace),
            label_selector=selector,
            resource_version=version,
            query_params=[
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", str(WATCH_ENDS_S)),
            ],
            _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SILENCE_S),
        )
        async with response:
            try:
                async for line in response.content:
                    yield _parse_event(json.loads(line))
            except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
                raise ApiUnavailable(f"watch of {kind.plural} broke off: {_words(error)}") from error

    async def apply(self, document: JsonObject, manager: str = FIELD_MANAGER) -> JsonObject:
        """Server-side apply; fields of ours that others changed are taken back."""
        return await self._apply(document, "", manager)

    async def apply_status(self, document: JsonObject) -> JsonObject:
        return await self._apply(document, "/status", FIELD_MANAGER)

    async def patch(self, kind: Kind, namespace: str, name: str, patch: JsonObject) -> JsonObject:
        """Strategic merge patch."""
        return await self._request(
            "patch",
            _path(kind, namespace, name),
            body=patch,
            content_type="application/strategic-merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """In the background, and only the object of that uid; gone already is fine."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("delete", _path(kind, namespace, name), body=options)
        except (ApiNotFound, ApiConflict):
            return

    async def create(self, kind: Kind, namespace: str, document: JsonObject) -> JsonObject:
        """Raises ApiConflict where it is there already."""
        return await self._request("post", _path(kind, namespace), body=document)

    async def replace(self, kind: Kind, namespace: str, name: str, document: JsonObject) -> JsonObject:
        """The whole object, at the version that the document names. Raises ApiConflict where it has changed."""
        return await self._request("put", _path(kind, namespace, name), body=document)

    async def _apply(self, document: JsonObject, subresource: str, manager: str) -> JsonObject:
        kind = kind_of(document["apiVersion"], document["kind"])
        meta = document["metadata"]
        return await self._request(
            "patch",
            _path(kind, meta["namespace"], meta["name"]) + subresource,
            body=document,
            content_type="application/apply-patch+yaml",
            field_manager=manager,
            force_conflicts=True,
        )

    async def _request(self, method: str, path: str, **parameters: Any) -> JsonObject:
        response = await self._raw_request(method, path, _request_timeout=REQUEST_TIMEOUT_S, **parameters)
        try:
            answer: JsonObject = await response.json()
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
            raise ApiUnavailable(f"{method} {path}: {_words(error)}") from error
        return answer

    async def _raw_request(self, method: str, path: str, **parameters: Any) -> aiohttp.ClientResponse:
        query = parameters.pop("query_params", [])
        verb, status = "watch" if query else method, 0
        try:
            response: aiohttp.ClientResponse = await self._dynamic.request(
                method, path, serialize=False, query_params=query, **parameters
            )
            status = response.status
        except ApiException as error:
            status = error.status or 0
            raise _translated(error, f"{method} {path}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"{method} {path}: {_words(error)}") from error
        finally:
            self._observe(verb, _resource(path), status)
        return response


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _path(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{place}/{kind.plural}" + (f"/{name}" if name else "")


def _resource(path: str) -> str:
    """`/apis/apps/v1/namespaces/a/deployments/b` → `deployments`."""
    parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
    return parts[2] if parts[0] == "namespaces" else parts[0]


def _parse_event(event: JsonObject) -> tuple[str, JsonObject]:
    kind, item = event["type"], event["object"]
    if kind != "ERROR":
        return kind, item
    if item.get("code") == 410:
        raise ApiExpired(item.get("message", ""))
    raise ApiUnavailable(f"watch: {item.get('message')}")


def _translated(error: ApiException, what: str) -> OperatorError:
    reason, message = _read_answer(error)
    if error.status == 404:
        return ApiNotFound(f"{what}: {message}")
    if error.status == 409:
        return ApiConflict(f"{what}: {message}")
    if error.status == 410:
        return ApiExpired(message)
    if error.status in _REFUSALS:
        return ApiRefused(reason, message)
    if error.status == 500 and "webhook" in message:
        return ApiRefused(WEBHOOK_FAILED, message)
    return ApiUnavailable(f"{what}: {error.status} {message}")


def _read_answer(error: ApiException) -> tuple[str, str]:
    """Reason and message of the Status document that the API server answers with."""
    try:
        answer = json.loads(error.body or "{}")
    except ValueError:
        answer = {}
    return answer.get("reason") or "Refused", answer.get("message") or str(error.reason or error)
