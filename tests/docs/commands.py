"""The commands that stand in a page of docs/: in fenced blocks of shell, and in backquotes of tables and sentences."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.model import REPOSITORY

_BLOCK = re.compile(r"^([ ]*)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:kubectl|helm|python -m) [^`]+)`")


@dataclass(frozen=True)
class Page:
    """One page. `blocks`: texts of shell, without their indent."""

    path: Path
    text: str

    @property
    def blocks(self) -> list[str]:
        return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in _BLOCK.findall(self.text)]

    def commands(self, program: str) -> Iterator[list[str]]:
        """Words of each command of `program` (`kubectl`, `python -m`), up to a pipe or an ampersand."""
        for line in self.lines():
            for start in re.finditer(rf"(?:^|\$\(){re.escape(program)} ", line):
                yield _words(line[start.end() :])

    def lines(self) -> list[str]:
        inline = [text.replace("\\|", "|") for text in _INLINE.findall(self.text) if "…" not in text]
        joined = "\n".join(self.blocks).replace("\\\n", " ")
        return [*joined.splitlines(), *inline]


def read_page(name: str) -> Page:
    path = REPOSITORY / "docs" / name
    return Page(path, path.read_text())


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("|&;()"):
            break
        words.append(word)
    return words
