"""PinnokioServices as the API server answers them, for the plugin's tests."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def build_service(
    rollout: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """One that is Ready, its flag at 50 %, in the middle of a rollout."""
    state = {
        "phase": "Analysing",
        "step": 3,
        "steps": 5,
        "percent": 50,
        "message": "until 2026-11-22T12:04:10.000Z: on 1204 calls",
        "since": "2026-11-22T11:54:10.000Z",
        "nextAt": "2026-11-22T12:04:10.000Z",
        "figures": {
            "on": {"calls": 1204, "errors": 3, "p99Milliseconds": 84},
            "off": {"calls": 1310, "errors": 1, "p99Milliseconds": 80},
            "fallbacks": 0,
        },
        "legacy": {"state": "Written"},
        "specHash": "c0ffee",
    }
    told = {
        "observedGeneration": 3,
        "phase": "Ready",
        "conditions": [
            _condition("Ready", "True", "AllReady"),
            _condition("Progressing", "False", "Complete"),
            _condition("Degraded", "False", "AsExpected"),
            _condition("Paused", "False", "NotPaused"),
            _condition("FlagRollout", "False", "Analysing"),
        ],
        "components": [{"name": name, "desired": 1, "ready": 1, "updated": 1} for name in ("api", "beat", "valkey")],
        "queues": [build_queue("default"), build_queue("computation", waiting=12, inFlight=4, unacked=6)],
        "flag": {"revision": 7, "enabled": True, "published": True, "acknowledged": 3, "pods": 3},
        "rollout": state | (rollout or {}),
        "summary": {"api": "1/1", "queues": "2/2", "flag": "50%", "version": "0.1.0"},
    }
    return {
        "metadata": {"name": "sample", "namespace": "pinnokio", "generation": 3, "annotations": annotations or {}},
        "status": told | status,
    }


def build_queue(name: str, **figures: int | None) -> dict[str, Any]:
    counts = {"waiting": 0, "inFlight": 0, "unacked": 0} | figures
    known = {key: value for key, value in counts.items() if value is not None}
    return {"name": name, "desired": 2, "ready": 2, "updated": 2, "concurrency": 2, "message": "why", **known}


def _condition(kind: str, status: str, reason: str, message: str = "said") -> dict[str, Any]:
    stamp = "2026-11-22T11:00:00Z"
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return told | {"lastTransitionTime": stamp, "observedGeneration": 3}
