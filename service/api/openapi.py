"""GET /openapi.json: what the HTTP side takes and answers; the shapes of /rpc are made of the contract's own types."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contract.rpc import RpcRequest, RpcResponse
from service.api.openapi_methods import describe_methods
from service.rpc.binding import Method
from service.settings import Settings

_REF: Final = "#/components/schemas/{name}"


def build_openapi(version: str, methods: Mapping[str, Method]) -> dict[str, Any]:
    """The OpenAPI 3.1 document; the methods of /rpc stand in its `x-rpc-methods`."""
    _, shapes = msgspec.json.schema_components([RpcRequest, RpcResponse], ref_template=_REF)
    described, shared = describe_methods(methods, _REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pinnokio",
            "version": version,
            "description": "One RPC endpoint, health checks, figures. Events come by WebSocket on /ws.",
        },
        "paths": {
            "/rpc": {"post": _rpc() | {"x-rpc-methods": described}},
            "/healthz": {"get": _simple("Alive, and whether Valkey answers.")},
            "/readyz": {"get": _simple("Ready: Valkey answers.", {"503": _json("Valkey does not answer.")})},
            "/version": {"get": _simple("The version.")},
            "/debug": {"get": _simple("A report per dependency.", _refusals()) | {"security": [{"bearer": []}]}},
            "/status": {
                "get": {
                    "summary": "How the service is, as a page; a browser logs in with the token as password.",
                    "security": [{"bearer": []}, {"basic": []}],
                    "responses": {
                        "200": _page("The page."),
                        "401": _page("A login is needed."),
                        "403": _json("The bearer token is wrong.", _ref("Refusal")),
                        "503": _page("The page, without what Valkey does not tell."),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Figures for Prometheus.",
                    "responses": {"200": {"description": "Text.", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "schemas": {**shapes, **shared, **_refusal_shapes()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def openapi_route(settings: Settings, methods: Mapping[str, Method]) -> Callable[[Request], Awaitable[Response]]:
    @functools.cache
    def document() -> dict[str, Any]:
        return build_openapi(settings.version, methods)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    return openapi


def _rpc() -> dict[str, Any]:
    return {
        "summary": "Calls NAMESPACE.method.",
        "description": "200 once the request parsed and was let in; `ok` and `error.code` tell how the call went.",
        "security": [{"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("RpcRequest")}}},
        "responses": {
            "200": _json("The call's answer.", _ref("RpcResponse")),
            "400": _json("The body is not UTF-8, nests too deep or did not arrive to its end.", _ref("Refusal")),
            **_refusals(),
            "408": _json("The body did not arrive in time.", _ref("Refusal")),
            "413": _json("The body is too large.", _ref("Refusal")),
            "422": _json("The body does not match the shape.", _ref("Mismatch")),
        },
    }


def _refusals() -> dict[str, Any]:
    return {
        "401": _json("A bearer token is needed.", _ref("Refusal")),
        "403": _json("The bearer token is wrong.", _ref("Refusal")),
    }


def _refusal_shapes() -> dict[str, Any]:
    problem = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
            "msg": {"type": "string"},
        },
        "required": ["type", "loc", "msg"],
    }
    return {
        "Refusal": {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
        "Mismatch": {
            "type": "object",
            "properties": {"detail": {"type": "array", "items": problem}},
            "required": ["detail"],
        },
    }


def _simple(summary: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _json(summary), **(more or {})}}


def _json(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema or {"type": "object"}}}}


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}
