"""The variables of all parts, from which fields of the spec take theirs first; the rest becomes `env`.

A variable that fields of the spec stand for is taken once, for the whole service: the API's value wins, and a part
with another one is told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.ecs.model import API, BEAT, FLOWER, LISTENERS, WORKER, Findings, Part
from controller.ecs.secrets import SecretKeys, is_secret
from controller.model.base import JsonObject
from controller.model.pod import OWNED_VARIABLES

# Parts whose variables go into pods of the service; listeners run in the API's.
_ORDER: Final = (API, LISTENERS, WORKER, BEAT, FLOWER)
_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
VALUE_MAX: Final = 8192
LIST_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Given:
    """A variable of one part. `value_from` None: `value` stands in plain text."""

    part: Part
    name: str
    value: str
    value_from: str | None = None

    @property
    def is_secret(self) -> bool:
        return self.value_from is not None or is_secret(self.name, self.value)

    def is_same(self, other: "Given") -> bool:
        return (self.value, self.value_from) == (other.value, other.value_from)


class Variables:
    """What is left of the parts' variables; `take…` removes from all of them."""

    def __init__(self, parts: Sequence[Part], secrets: SecretKeys, findings: Findings) -> None:
        self._secrets = secrets
        self._findings = findings
        ordered = sorted(parts, key=lambda part: _ORDER.index(part.kind))
        self._left: list[tuple[Part, dict[str, Given]]] = [(part, _read(part)) for part in ordered]

    def take(self, name: str) -> Given | None:
        found = [given for _, own in self._left if (given := own.pop(name, None))]
        for other in found[1:]:
            if not other.is_same(found[0]):
                self._findings.left.append(
                    f"container {other.part.container.name}: another {name} than container"
                    f" {found[0].part.container.name}, whose value is taken; there is one for the whole service here"
                )
        return found[0] if found else None

    def take_plain(self, name: str) -> str | None:
        """Its value. None: unset, empty, or a reference, which this field cannot be (that is told)."""
        given = self.take(name)
        if given is None:
            return None
        if given.value_from is not None:
            self._findings.left.append(f"{name} comes from {given.value_from}, but its field takes a value: fill it in")
            return None
        return given.value.strip() or None

    def take_bool(self, name: str) -> bool | None:
        value = self.take_plain(name)
        return None if value is None else value.lower() in _TRUE

    def take_int(self, name: str) -> int | None:
        value = self.take_plain(name)
        if value is not None and not value.isdigit():
            self._findings.left.append(f"{name} is {value!r}, no number: the default is taken")
            return None
        return int(value) if value else None

    def take_ref(self, name: str) -> JsonObject | None:
        """A key of the Secret, wherever the value is from."""
        given = self.take(name)
        if given is None or not (given.value or given.value_from):
            return None
        return self._secrets.refer(given.part, name, given.value_from)

    def take_own(self, part: Part, name: str) -> str | None:
        """Of this part alone, such as a worker's CELERY_QUEUES."""
        own = next(own for each, own in self._left if each is part)
        given = own.pop(name, None)
        return given.value.strip() or None if given and given.value_from is None else None

    def drop(self, *names: str) -> None:
        """What the operator sets by itself, silently."""
        for _, own in self._left:
            for name in names:
                own.pop(name, None)

    def build_env(self) -> tuple[list[JsonObject], list[JsonObject], dict[str, list[JsonObject]]]:
        """`spec.env`, `spec.api.env`, and the `env` of workers by container.

        In `spec.env`: what several parts have alike, or beat or Flower alone; elsewhere: what one part has its own way.
        """
        self._drop_owned()
        common: dict[str, Given] = {}
        for part, own in self._left:
            for name, given in own.items():
                if self._is_common(given) or part.kind in (BEAT, FLOWER):
                    common.setdefault(name, given)
                    self._tell_other(common[name], given)
        api: dict[str, Given] = {}
        workers: list[tuple[str, dict[str, Given]]] = []
        for part, own in self._left:
            rest = {name: given for name, given in own.items() if name not in common or not given.is_same(common[name])}
            if part.kind in (API, LISTENERS):
                api = rest | api
            elif part.kind == WORKER:
                workers.append((part.container.name, rest))
        built = self._build(common, "spec.env"), self._build(api, "spec.api.env")
        return *built, {name: self._build(rest, f"env of the queues of {name}") for name, rest in workers}

    def _is_common(self, given: Given) -> bool:
        alike = [own for part, own in self._left if (o := own.get(given.name)) and o.is_same(given)]
        return len(alike) > 1

    def _tell_other(self, taken: Given, given: Given) -> None:
        if given.part.kind in (BEAT, FLOWER) and not given.is_same(taken):
            self._findings.left.append(
                f"container {given.part.container.name}: its own {given.name}; {given.part.kind} has what spec.env says"
            )

    def _drop_owned(self) -> None:
        for part, own in self._left:
            for name in [name for name in own if name in OWNED_VARIABLES or not _NAME.match(name)]:
                del own[name]
                why = "the operator sets it" if name in OWNED_VARIABLES else "no name of a variable in Kubernetes"
                self._findings.left.append(f"container {part.container.name}: {name} ({why})")

    def _build(self, given: dict[str, Given], where: str) -> list[JsonObject]:
        built: list[JsonObject] = []
        for name, each in sorted(given.items()):
            if not each.is_secret and len(each.value) > VALUE_MAX:
                self._findings.left.append(f"{name}: longer than {VALUE_MAX}; put it into a ConfigMap for spec.envFrom")
            elif len(built) == LIST_MAX:
                self._findings.left.append(
                    f"{name}: {where} takes {LIST_MAX}; put it into a ConfigMap for spec.envFrom"
                )
            elif each.is_secret:
                ref = self._secrets.refer(each.part, name, each.value_from)
                built.append({"name": name, "valueFrom": {"secretKeyRef": ref}})
            else:
                built.append({"name": name, "value": each.value})
        return built


def _read(part: Part) -> dict[str, Given]:
    """ECS lets a secret of the same name win over nothing: a name may stand in one of both lists only."""
    plain = {each.name: Given(part, each.name, each.value) for each in part.container.environment}
    return plain | {each.name: Given(part, each.name, "", each.value_from) for each in part.container.secrets}
