"""A change to one hash, carried out by one script (lua/patch_hash.lua): nothing is read, changed and written back."""

from typing import Any, Final, Literal

import msgspec

from service.store.lane import Command
from service.store.scripts import script

_PATCH: Final = script("patch_hash")
_ENCODER: Final = msgspec.json.Encoder()


class Patch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is done to the hash, in the order of the fields below.

    `only_if`: the hash must exist, or must be new. `guard`: fields that must hold these values; `refuse`: fields that
    may hold none of these. `read`: fields whose values of before are answered. `clear`: prefixes of fields that go.
    `default`: set where the field is missing. `append`: fields that take the next place in the order of lists. `keep`:
    prefix of a list → how many of its last elements stay at least, and up to nine more. `ttl_s` 0: the time to
    live stays.
    """

    only_if: Literal["", "exists", "new"] = ""
    guard: dict[str, str] = msgspec.field(default_factory=dict)
    refuse: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    read: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    set: dict[str, str] = msgspec.field(default_factory=dict)
    default: dict[str, str] = msgspec.field(default_factory=dict)
    append: tuple[str, ...] = ()
    keep: dict[str, int] = msgspec.field(default_factory=dict)
    ttl_s: int = 0

    def command(self, key: str) -> Command:
        return ("EVAL", _PATCH, 1, key, _ENCODER.encode(self))


class Patched(msgspec.Struct, frozen=True):
    """`is_applied`: every condition held. `before`: the values of `read`, None where a field was missing."""

    is_applied: bool
    before: tuple[str | None, ...] = ()


def parse_patched(answer: Any) -> Patched:
    """Reads the script's answer; raises it where it is an error."""
    if isinstance(answer, Exception):
        raise answer
    return Patched(bool(answer[0]), tuple(None if word is None else word.decode() for word in answer[1:]))
