"""What no log line may hold: this process's own secrets, logins of others, and what was sent to be worked with.

Whoever logs leaves such things out; this is the second fence, around every line and every library.
"""

import json
import re
import traceback
from collections.abc import Iterable, Iterator
from typing import Final

MASK: Final = "***"
# A shorter one would mask words that mean something else.
SECRET_MIN_CHARS: Final = 6
# A line of a private key stands alone, however the key's line ends are written.
_LINE_MIN_CHARS: Final = 24

# A login with a password ends at the last @, whatever is in the password; a bare name before the first slash.
_URL_LOGIN: Final = re.compile(r"(://)(?:[^/\s\"'@:]*:[^\s\"'@]*|[^/\s\"'@]*)@")
_PARAMETER: Final = re.compile(r"(?i)(token=)[^&\s\"']+")
_HEADER: Final = re.compile(r"(?i)(authorization\W{1,6}(?:bearer|basic)?\W*|bearer\s+)[\w.~+/=-]{6,}")
_API_KEY: Final = re.compile(r"\bsk-[\w-]{6,}")
# redis-py names the whole command that failed in a pipeline, its values too.
_COMMAND: Final = re.compile(r"(Command # \d+) \(.*\) (of pipeline caused error)", re.DOTALL)


class Mask:
    """Called with a line, answers it without what must not stand in it. `secrets`: this process's own."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {form for secret in secrets for word in _words(secret) for form in (word, json.dumps(word)[1:-1])}
        # The longest first: one may be the beginning of another.
        self._secrets = sorted(found, key=lambda word: (-len(word), word))

    def __call__(self, line: str) -> str:
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, MASK)
        # Looking for a word takes a tenth of what an expression takes, and most lines have none of these.
        if "@" in line and "://" in line:
            line = _URL_LOGIN.sub(rf"\1{MASK}@", line)
        if "token=" in line or "TOKEN=" in line:
            line = _PARAMETER.sub(rf"\1{MASK}", line)
        if "earer" in line or "uthorization" in line or "AUTHORIZATION" in line or "BEARER" in line:
            line = _HEADER.sub(rf"\1{MASK}", line)
        if "sk-" in line:
            line = _API_KEY.sub(MASK, line)
        if "of pipeline caused" in line:
            line = _COMMAND.sub(r"\1 \2", line)
        return line


def _words(secret: str) -> Iterator[str]:
    """A secret as it is, and the long lines of one that has several (a service account's key)."""
    if len(secret) >= SECRET_MIN_CHARS:
        yield secret
    for line in re.split(r"\\n|[\s\"]", secret):
        if len(line) >= _LINE_MIN_CHARS and line != secret:
            yield line


def build_trace(fault: BaseException, *, with_texts: bool) -> str:
    """The traceback of an error and of those it came of, oldest first.

    Without their texts, which may quote what was sent: a library says of a document what stands there.
    """
    if with_texts:
        return "".join(traceback.format_exception(fault)).rstrip("\n")
    chain: list[BaseException] = []
    current: BaseException | None = fault
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(f"{''.join(traceback.format_tb(each.__traceback__))}{_name(each)}" for each in reversed(chain))


def _name(fault: BaseException) -> str:
    kind = type(fault)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
