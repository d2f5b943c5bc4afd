"""Reads the Lua scripts that stand beside this package, one file a script.

The lane (`service.store.lane`) makes them known when it connects, sends a script's digest in its place, and the text to
a server that has forgotten it.
Pipelines of redis-py send the text: no answer "NOSCRIPT" in their middle after Valkey was restarted.
"""

import hashlib
from importlib.resources import files


class Script(str):
    """A script's text, with the digest that Valkey knows it by."""

    __slots__ = ("digest",)

    digest: str

    def __new__(cls, text: str) -> "Script":
        made = super().__new__(cls, text)
        # Valkey's own name for a script; nothing is protected by it.
        made.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return made


# Those that this process has read, by name.
KNOWN: dict[str, Script] = {}


def script(name: str) -> Script:
    """Text of `lua/{name}.lua`."""
    if name not in KNOWN:
        KNOWN[name] = Script((files("service.store") / "lua" / f"{name}.lua").read_text(encoding="utf-8"))
    return KNOWN[name]
