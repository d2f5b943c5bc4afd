"""One PinnokioService as read from the API server: who it is, what it asks for, what was last said about it."""

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from contract.kubernetes import (
    ANNOTATION_PAUSED,
    ANNOTATION_PROMOTE,
    ANNOTATION_ROLLBACK,
    ANNOTATION_ROLLOUT_PAUSED,
    ANNOTATION_SCALING_PAUSED,
)
from controller.model.base import JsonObject
from controller.model.spec import PinnokioServiceSpec
from controller.model.status import Status

TRUE_WORDS: Final = frozenset({"true", "1", "yes"})
# A request stands in the status once it was acted on.
REQUEST_MAX: Final = 128


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """Namespace and name: what the reconcile queue works on."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class InvalidSpec:
    """A spec that passed the API server and yet cannot be acted on; `problems` name field and remedy. `is_off`: it says
    that the flag is off, whatever else it says."""

    problems: tuple[str, ...]
    is_off: bool = False

    def __str__(self) -> str:
        return "; ".join(self.problems)


@dataclass(frozen=True, slots=True)
class PinnokioService:
    """`status` None: none was written yet, or what stands there cannot be read. `scaling_pause`, `promote`,
    `rollback`, `rollout_paused`: the annotations."""

    key: ServiceKey
    uid: str
    generation: int
    paused: bool
    going: bool
    spec: PinnokioServiceSpec | InvalidSpec
    status: Status | None
    scaling_pause: str = ""
    promote: str = ""
    rollback: str = ""
    rollout_paused: bool = False


def parse_service(body: JsonObject) -> PinnokioService:
    """Never raises on what a person wrote: a wrong spec is an InvalidSpec."""
    meta = body["metadata"]
    annotations = meta.get("annotations") or {}
    return PinnokioService(
        key=ServiceKey(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        paused=_is_true(annotations.get(ANNOTATION_PAUSED)),
        going="deletionTimestamp" in meta,
        spec=_parse_spec(body.get("spec")),
        status=_parse_status(body.get("status")),
        scaling_pause=str(annotations.get(ANNOTATION_SCALING_PAUSED, "")),
        promote=str(annotations.get(ANNOTATION_PROMOTE, "")).strip()[:REQUEST_MAX],
        rollback=str(annotations.get(ANNOTATION_ROLLBACK, "")).strip()[:REQUEST_MAX],
        rollout_paused=_is_true(annotations.get(ANNOTATION_ROLLOUT_PAUSED)),
    )


def _is_true(value: object) -> bool:
    return str(value or "").strip().lower() in TRUE_WORDS


def _parse_spec(raw: object) -> PinnokioServiceSpec | InvalidSpec:
    try:
        return PinnokioServiceSpec.model_validate(raw)
    except ValidationError as error:
        problems = error.errors()
        # A list whose entry is wrong is called too short as well: only the innermost field helps.
        inner = [each for each in problems if not any(_is_above(each["loc"], other["loc"]) for other in problems)]
        return InvalidSpec(tuple(_problem(each["loc"], each["msg"]) for each in inner[:5]), _is_off(raw))


def _is_off(raw: object) -> bool:
    registry = raw.get("unifiedRegistry") if isinstance(raw, dict) else None
    return isinstance(registry, dict) and registry.get("enabled") is False


def _is_above(path: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(path) < len(other) and other[: len(path)] == path


def _problem(path: tuple[int | str, ...], message: str) -> str:
    field = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{field}: {message.removeprefix('Value error, ')}"


def _parse_status(raw: object) -> Status | None:
    try:
        return Status.model_validate(raw)
    except ValidationError:
        return None
