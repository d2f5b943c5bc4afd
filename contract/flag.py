"""The flag document: which users the unified registry is on for. Written by the operator, read by every pod.

How it is decided for a user is `service.domain.flag`; this is only its shape.
"""

from typing import Final

import msgspec

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class FlagDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One revision of the flag.

    `revision` only grows. `percent_bp`: share of users in basis points (0-10,000); None: no percentage is set, so
    that `enabled` alone means everybody and `enabled` with an audience means nobody beyond it. `salt` is
    namespace/name of the PinnokioService. `routes` is task type → queue. `log_level`: one of LOG_LEVELS; None: as each
    process's environment says.
    """

    revision: int = 0
    enabled: bool = False
    debug: bool = False
    users: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    exclude_users: tuple[str, ...] = ()
    percent_bp: int | None = None
    salt: str = ""
    legacy_writes: bool = True
    routes: dict[str, str] = msgspec.field(default_factory=dict)
    quotas: dict[str, int] = msgspec.field(default_factory=dict)
    log_level: str | None = None


def encode(document: FlagDocument) -> bytes:
    return msgspec.json.encode(document, order="deterministic")


def decode(raw: bytes | str) -> FlagDocument:
    """Raises msgspec.ValidationError or msgspec.DecodeError on anything that is no flag document."""
    return msgspec.json.decode(raw, type=FlagDocument)


class FlagAck(msgspec.Struct, frozen=True, kw_only=True):
    """What a process wrote last into FLAG_ACKS under its `ack_field`. `seen_at`: seconds since 1970, renewed by the
    process while it lives, so that an old one tells of a process that died."""

    revision: int
    pod: str
    seen_at: float


def ack_field(pod: str, pid: int) -> str:
    return f"{pod}/{pid}"
