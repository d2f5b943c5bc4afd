"""Keeps text from being run as a formula when somebody opens a CSV or XLSX file in a spreadsheet.

A cell that begins with =, +, -, @ or a control character is a formula there
(https://owasp.org/www-community/attacks/CSV_Injection). Plain numbers that begin with a sign call nothing and stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from service.domain.transformation.model import Finding

# The full-width signs are taken as formulas by Japanese and Chinese versions; blanks before them are trimmed by some.
_DANGEROUS: Final = re.compile("[ \u00a0]*[=+\\-@\t\r\n＝＋－＠]")
_NUMBER: Final = re.compile("[+-]?[\\d.,'’ \u00a0\u202f]*")
_SHOWN: Final = 20


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take `text` as a formula."""
    return _DANGEROUS.match(text) is not None and _NUMBER.fullmatch(text) is None


def neutralise(text: str) -> str:
    """`=1+1` becomes `'=1+1`: the apostrophe is how spreadsheets mark text."""
    return f"'{text}" if is_formula(text) else text


def formula_finding(cells: Sequence[tuple[int, str]], how: str) -> tuple[Finding, ...]:
    """What is told of neutralised cells, given as (row, column)."""
    if not cells:
        return ()
    where = "; ".join(f"row {row}, column {column!r}" for row, column in cells[:_SHOWN])
    more = f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
    message = f"Cells that begin like a formula, and were {how}: {where}{more}."
    return (Finding("formula_neutralised", message, "warning"),)
