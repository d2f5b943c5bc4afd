"""The base of every part of the custom resource, and the words for validation rules of the CRD."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

JsonObject = dict[str, Any]


class Model(BaseModel):
    """Frozen, camelCase outside and snake_case inside.

    Unknown fields are passed over: while an upgrade runs, the newer CRD fills in defaults that the older operator does
    not know, and its services must not be taken for broken. What a person misspells, the API server refuses.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def rule(expression: str, message: str, *, said_by: str | None = None) -> JsonObject:
    """A CEL rule of the CRD. `message` says what to change; `said_by` is a CEL expression for a fuller message."""
    stated = {"rule": expression, "message": message}
    return stated | ({"messageExpression": said_by} if said_by else {})


def rules(*stated: JsonObject) -> JsonObject:
    return {"x-kubernetes-validations": list(stated)}


def map_list(key: str) -> JsonObject:
    """A list whose entries are told apart by `key`: two of the same key are refused, and merges go by key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
