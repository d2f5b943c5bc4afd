"""The methods of /rpc in the OpenAPI document, by name: what each does and what it takes, read from the code."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from service.rpc.binding import Method

_ANY_MORE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PLAIN: Final = (str, int, float, bool, type(None))


def describe_methods(methods: Mapping[str, Method], ref_template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`{NAMESPACE.method: {summary, arguments}}` and the schemas that these refer to.

    `arguments` is the JSON schema of the arguments by name, in their order. Of a mounted namespace names and defaults
    are known, and no types.
    """
    typed = [
        (method.name, field.name, field.type)
        for method in methods.values()
        if method.parameters is not None
        for field in msgspec.structs.fields(method.parameters)
    ]
    schemas, shared = msgspec.json.schema_components([kind for *_, kind in typed], ref_template=ref_template)
    types = {(name, argument): schema for (name, argument, _), schema in zip(typed, schemas, strict=True)}
    return {name: _describe(methods[name], types) for name in sorted(methods)}, shared


def _describe(method: Method, types: Mapping[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    parameters = [one for one in method.signature.parameters.values() if one.kind not in _ANY_MORE]
    return {
        "summary": (inspect.getdoc(method.function) or "").partition("\n")[0],
        "arguments": {
            "type": "object",
            "properties": {one.name: types.get((method.name, one.name), {}) | _default(one) for one in parameters},
            "required": [one.name for one in parameters if one.default is inspect.Parameter.empty],
        },
    }


def _default(parameter: inspect.Parameter) -> dict[str, Any]:
    """What JSON can say of it: a mounted namespace's may be any object."""
    default = parameter.default
    is_plain = isinstance(default, _PLAIN) and not (isinstance(default, float) and not math.isfinite(default))
    return {"default": default} if is_plain else {}
