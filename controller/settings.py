"""What the operator's own environment says, read once at start-up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.model.errors import OperatorError


class SettingsError(OperatorError):
    """A variable holds what cannot be read; the message names it and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`namespaces` empty: all of them, with the rights for it.

    `place`: the namespace of the operator's pod; None: it runs outside the cluster. `lease`: name of the Lease, in that
    namespace, that lets one of several operators act; None: there is no other. `instance`, `pod_uid`: who this one is.
    `resync`: how often each PinnokioService is looked at again without anything having changed, from the caches.
    """

    namespaces: tuple[str, ...]
    log_level: str
    probe_port: int
    metrics_port: int
    resync: timedelta
    instance: str
    place: str | None = None
    lease: str | None = None
    pod_uid: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """WATCH_NAMESPACES (a,b), LOG_LEVEL, PROBE_PORT, METRICS_PORT, RESYNC_S, LEASE_NAME, POD_NAME, POD_NAMESPACE,
        POD_UID. Raises SettingsError.
        """
        place, lease = (environ.get(name, "").strip() or None for name in ("POD_NAMESPACE", "LEASE_NAME"))
        if lease and not place:
            raise SettingsError("LEASE_NAME needs POD_NAMESPACE, the namespace of the Lease: set it")
        names = (word.strip() for word in environ.get("WATCH_NAMESPACES", "").split(","))
        return cls(
            namespaces=tuple(sorted({name for name in names if name})),
            log_level=environ.get("LOG_LEVEL", "INFO").strip().upper() or "INFO",
            probe_port=_number(environ, "PROBE_PORT", 8080),
            metrics_port=_number(environ, "METRICS_PORT", 8081),
            resync=timedelta(seconds=_number(environ, "RESYNC_S", 600)),
            instance=environ.get("POD_NAME", "").strip() or "local",
            place=place,
            lease=lease,
            pod_uid=environ.get("POD_UID", "").strip() or None,
        )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise SettingsError(f"{name} takes a whole number above zero, not {text!r}")
    return int(text)
