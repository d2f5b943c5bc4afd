"""Reads the Lua scripts that stand beside this package, one file a script.

They are sent by EVAL, not EVALSHA: some 500 bytes more on the wire, and no answer "NOSCRIPT" in the middle of a
pipeline after Valkey was restarted.
"""

from importlib.resources import files


def script(name: str) -> str:
    """Text of `lua/{name}.lua`."""
    return (files("service.store") / "lua" / f"{name}.lua").read_text(encoding="utf-8")
