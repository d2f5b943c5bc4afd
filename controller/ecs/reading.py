"""Reads the text of a task definition, in each form in which people have one, and says what is wrong with it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from controller.ecs.model import Source, TaskDefinition, TaskDefinitionError

GET_IT: Final = "aws ecs describe-task-definition --task-definition NAME > taskdef.json"
_LIST_OF: Final = "containerDefinitions"


def read_source(text: str, file: str) -> Source:
    """A bare task definition, the answer of `describe-task-definition`, or a list of container definitions.

    Raises TaskDefinitionError.
    """
    raw = _unwrap(_parse(text, file), file)
    try:
        return Source(TaskDefinition.model_validate(raw), raw, file)
    except ValidationError as error:
        problems = "; ".join(_problem(each["loc"], each["msg"]) for each in error.errors()[:5])
        raise TaskDefinitionError(f"{file}: {problems}") from error


def _parse(text: str, file: str) -> Any:
    if not text.strip():
        raise TaskDefinitionError(f"{file} is empty. Get a task definition by: {GET_IT}")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise TaskDefinitionError(
            f"{file} is no JSON ({error.msg} at {where}). A task definition as JSON: {GET_IT}"
        ) from error


def _unwrap(answer: Any, file: str) -> dict[str, Any]:
    if isinstance(answer, list) and answer and all(isinstance(each, dict) and "image" in each for each in answer):
        return {_LIST_OF: answer}
    if not isinstance(answer, dict):
        raise TaskDefinitionError(f"{file} holds no task definition but {_kind_of(answer)}. Get one by: {GET_IT}")
    inner = answer.get("taskDefinition", answer)
    if isinstance(inner, dict) and isinstance(inner.get(_LIST_OF), list) and inner[_LIST_OF]:
        return inner
    raise TaskDefinitionError(f"{file}: {_say_other(answer)}")


def _say_other(answer: Mapping[str, Any]) -> str:
    """What else people have at hand; in this order: services, tasks, lists, templates, an empty list, anything else."""
    service = _first(answer, "services") or _first(answer, "tasks")
    if service is not None:
        arn = service.get("taskDefinition") or service.get("taskDefinitionArn") or "NAME"
        command = GET_IT.replace("NAME", str(arn))
        return f"this describes services or tasks, not their task definition. Get that by: {command}"
    if "taskDefinitionArns" in answer or "serviceArns" in answer:
        return f"this is a list of names, not a task definition. Get one of them by: {GET_IT}"
    if "ContainerDefinitions" in answer or "Resources" in answer or "container_definitions" in answer:
        return f"this is a template (CloudFormation, Terraform). Register it, then get what ECS made of it: {GET_IT}"
    if _LIST_OF in answer:
        return "containerDefinitions must be a list of at least one container"
    return f"there is no containerDefinitions in it, so it is no task definition. Get one by: {GET_IT}"


def _first(answer: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    entries = answer.get(name)
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else None


def _kind_of(answer: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "a word", type(None): "null"}
    return kinds.get(type(answer), "a number")


def _problem(path: tuple[int | str, ...], message: str) -> str:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{field}: {message.removeprefix('Value error, ')}"
