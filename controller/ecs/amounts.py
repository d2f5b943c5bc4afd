"""CPU and memory: from ECS's units and MiB to Kubernetes' quantities."""

import math
import re
from typing import Final

from controller.ecs.model import Findings, Part
from controller.model.base import JsonObject

UNITS_PER_CORE: Final = 1024
_CPU: Final = re.compile(r"^\s*(\d*\.?\d+)\s*vcpus?\s*$", re.IGNORECASE)
_MEMORY: Final = re.compile(r"^\s*(\d*\.?\d+)\s*gb\s*$", re.IGNORECASE)


def read_task_cpu(text: str | None) -> int | None:
    """Units of a whole task: `512`, `.5 vCPU`. None where unset or not to be read."""
    return _read(text, _CPU)


def read_task_memory_mib(text: str | None) -> int | None:
    """MiB of a whole task: `2048`, `2 GB`. None where unset or not to be read."""
    return _read(text, _MEMORY)


def _read(text: str | None, words: re.Pattern[str]) -> int | None:
    if text is None:
        return None
    if text.strip().isdigit():
        return int(text) or None
    match = words.match(text)
    return round(float(match.group(1)) * UNITS_PER_CORE) if match else None


def build_resources(part: Part, findings: Findings) -> JsonObject | None:
    """`resources` of a part. None: the container says nothing, and the operator's own amounts serve.

    ECS's `memory` kills above it: the limit; `memoryReservation` is set aside: the request (unset: the limit).
    `cpu` is a share: the request, without a limit. A container alone in its task has the task's amounts.
    """
    container, task = part.container, part.source.task
    cpu, limit, reserved = container.cpu, container.memory, container.memory_reservation
    if not (cpu or limit or reserved):
        if len(task.container_definitions) > 1:
            _tell_shared(part, findings)
            return None
        cpu, limit = read_task_cpu(task.cpu), read_task_memory_mib(task.memory)
    if limit and reserved and reserved > limit:
        findings.left.append(
            f"container {container.name}: memoryReservation {reserved} is above memory {limit}; memory serves for both"
        )
        reserved = limit
    requests = _named(cpu=format_cpu(cpu), memory=format_memory(reserved or limit))
    return _named(requests=requests, limits=_named(memory=format_memory(limit))) or None


def _tell_shared(part: Part, findings: Findings) -> None:
    task = part.source.task
    if task.cpu or task.memory:
        findings.left.append(
            f"container {part.container.name} has no CPU and memory of its own, only a share of the task's"
            f" ({task.cpu or '?'} CPU, {task.memory or '?'} memory): the operator's defaults are taken; set resources"
        )


def format_cpu(units: int | None) -> str | None:
    """1024 → `1`, 256 → `250m`; rounded up."""
    if not units:
        return None
    milli = math.ceil(units * 1000 / UNITS_PER_CORE)
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def format_memory(mib: int | None) -> str | None:
    """2048 → `2Gi`, 768 → `768Mi`."""
    if not mib:
        return None
    return f"{mib}Mi" if mib % 1024 else f"{mib // 1024}Gi"


def _named(**fields: object) -> JsonObject:
    return {name: value for name, value in fields.items() if value}
