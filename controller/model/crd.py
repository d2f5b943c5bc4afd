"""The CustomResourceDefinition, made from the models: `python -m controller.model.crd > crds/…` writes it.

Pydantic's JSON schema becomes a structural schema: references put in place, nothing nullable, empty objects as
defaults of nested parts so that the API server fills in theirs.
"""

import sys
from typing import Any, Final

import yaml

from contract.kubernetes import GROUP, KIND, PLURAL, VERSION
from controller.model.base import JsonObject, Model, rule, rules
from controller.model.spec import PinnokioServiceSpec
from controller.model.status import Status

NAME: Final = f"{PLURAL}.{GROUP}"
FILE: Final = f"crds/{NAME}.yaml"
# Names made from it (NAME-valkey-0, labels of the StatefulSet's revisions) end within 63 characters.
NAME_MAX: Final = 40
NAME_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
_DROPPED: Final = frozenset({"title", "$defs", "additionalProperties", "propertyNames", "maxProperties"})
_COLUMNS: Final = (
    ("Phase", "string", ".status.phase", "Pending, Progressing, Ready or Degraded", 0),
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", "Whether everything runs", 0),
    ("Flag", "string", ".status.summary.flag", "Unified registry: off, on, audience or a percentage", 0),
    ("Rollout", "string", ".status.summary.rollout", "Phase of the flag's rollout, and its step of all", 0),
    ("Queues", "string", ".status.summary.queues", "Queues with all their workers ready, of all", 0),
    ("API", "string", ".status.summary.api", "Ready and wanted pods of the API", 0),
    ("Version", "string", ".status.summary.version", "Version that is wanted", 0),
    ("Age", "date", ".metadata.creationTimestamp", "", 0),
    ("Acked", "string", ".status.summary.acknowledged", "Pods that serve by the flag's revision, of the ready ones", 1),
    ("Reason", "string", ".status.conditions[?(@.type=='Ready')].reason", "Why it is Ready or not", 1),
    (
        "Message",
        "string",
        ".status.conditions[?(@.type=='Ready')].message",
        "What is missing, for a person to read",
        1,
    ),
)


def build_crd() -> JsonObject:
    """The CustomResourceDefinition as a document."""
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["psvc"],
        "categories": ["all"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _build_schema()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_build_column(*column) for column in _COLUMNS],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _build_schema() -> JsonObject:
    name_rule = rule(
        f"self.metadata.name.size() <= {NAME_MAX} && self.metadata.name.matches('{NAME_PATTERN}')",
        f"metadata.name takes at most {NAME_MAX} lower-case letters, digits and dashes, and begins with a letter:"
        " objects are named after it",
    )
    return {
        "description": "An accounting back end: API, workers by queue, beat and the store between them.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural_of(PinnokioServiceSpec),
            "status": _structural_of(Status),
        },
        **rules(name_rule),
    }


def _structural_of(model: type[Model]) -> JsonObject:
    schema = model.model_json_schema(by_alias=True)
    return dict(_structural(schema, schema.get("$defs", {})))


def _structural(node: Any, definitions: JsonObject) -> Any:
    if isinstance(node, list):
        return [_structural(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    schema = _resolved(node, definitions)
    kept = {name: value for name, value in schema.items() if name not in _DROPPED}
    if "properties" in kept:
        kept["properties"] = {name: _structural(value, definitions) for name, value in kept["properties"].items()}
        kept["default"] = _default_of_object(kept)
    elif isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
        if longest := schema.get("propertyNames", {}).get("maxLength"):
            # A structural schema says nothing about names by itself.
            kept |= rules(rule(f"self.all(k, k.size() <= {longest})", f"a key takes at most {longest} characters"))
        kept |= {name: schema[name] for name in ("maxProperties",) if name in schema}
    if "items" in kept:
        kept["items"] = _structural(kept["items"], definitions)
        kept["default"] = _default_of_list(kept)
    if kept.get("default") is None:
        kept.pop("default", None)
    return kept


def _resolved(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """References and `X | None` put in place; what stands beside them (description, default) wins."""
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    if "x-kubernetes-int-or-string" not in node and len(choices) == 1:
        rest = {name: value for name, value in node.items() if name != "anyOf"}
        return _resolved(choices[0] | rest, definitions)
    if "$ref" in node:
        rest = {name: value for name, value in node.items() if name != "$ref"}
        return _resolved(definitions[node["$ref"].rpartition("/")[2]] | rest, definitions)
    return node


def _default_of_object(schema: JsonObject) -> JsonObject | None:
    """An empty object, whose fields the API server fills in; a part with rules of its own needs what they read."""
    if not isinstance(schema.get("default"), dict):
        return None
    if "x-kubernetes-validations" not in schema:
        return {}
    fields = schema["properties"]
    return {
        name: field["default"] for name, field in fields.items() if isinstance(field.get("default"), str | int | float)
    }


def _default_of_list(schema: JsonObject) -> list[Any] | None:
    """Entries of a default list without what the API server fills in by itself; an empty list needs no default."""
    entries = schema.get("default") or []
    defaults = {name: field.get("default") for name, field in schema["items"].get("properties", {}).items()}
    return [
        {name: value for name, value in entry.items() if value not in (None, [], ()) and value != defaults.get(name)}
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ] or None


def _build_column(name: str, kind: str, path: str, description: str, priority: int) -> JsonObject:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description, "priority": priority}
    return {key: value for key, value in column.items() if value or key in ("name", "type", "jsonPath")}


class _Plain(yaml.SafeDumper):
    """Writes every value out; anchors would hide what a field is."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def dump_crd() -> str:
    head = "# Generated from controller/model by `python -m controller.model.crd`; change it there.\n"
    return head + yaml.dump(build_crd(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    sys.stdout.write(dump_crd())
