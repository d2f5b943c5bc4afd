"""Splits a document's text into lines and says to which party's block each one belongs.

A block begins at a heading ("Käufer:", "Bill to", "Adresse de livraison") and ends at the next one, at a table, or
after MAX_BLOCK lines. Which line of a block is the name, `parties` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["seller", "buyer", "other"]

MAX_BLOCK = 12
# Longer lines are parted at blanks: a label and its value are close, and patterns would take long.
_MAX_LINE = 400
# Lines past these are read for totals only; a party is named on the first pages.
MAX_LINES = 20_000

_HEADINGS: dict[Role, str] = {
    "other": r"(?:abweichende[rs]? )?(?:waren|liefer|zahlungs|leistungs)empf[äa]nger(?= *:?$)"
    r"|lieferadresse|lieferanschrift"
    r"|warenempf[äa]nger|abweichende[rs]? \w+|steuerbevollm[äa]chtigter[\w ]*|zahlungsempf[äa]nger|endkunde"
    r"|ship(?:ping)? to|ship(?:ping)? address|deliver(?:y|ed)? (?:to|address)|remit to|payee"
    r"|adresse de livraison|livr[ée]e? [àa]|livraison|lieu de livraison|b[ée]n[ée]ficiaire"
    r"|destinazione(?: merce)?|luogo di (?:consegna|destinazione)|indirizzo di (?:consegna|spedizione)"
    r"|beneficiario",
    "seller": r"verk[äa]ufer(?:in)?|lieferant(?:in)?|rechnungs(?:aus)?steller(?:in)?|absender"
    r"|auftragnehmer|leistungserbringer"
    r"|seller|supplier|vendor|from|issued by|sender|provider|vendeur|fournisseur|[ée]metteur|prestataire"
    r"|exp[ée]diteur"
    r"|venditore|fornitore|cedente(?: ?/ ?prestatore)?|prestatore|mittente|emittente|von|de|da",
    "buyer": r"k[äa]ufer(?:in)?|kunden?|kundenadresse|auftraggeber|rechnungsempf[äa]nger"
    r"|leistungsempf[äa]nger|empf[äa]nger"
    r"|rechnung an|rechnungsadresse|rechnungsanschrift|bill(?:ed)? to|invoice for|issued to|doit"
    r"|invoiced? to|sold to|customer"
    r"|client|buyer|purchaser"
    r"|recipient|an|[àa]|bill(?:ing)? address|invoice address|to|acheteur|factur[ée]e? [àa]"
    r"|adresse de facturation|destinataire"
    r"|adress[ée]e? [àa]|acquirente|cliente|destinatario(?: fattura)?|cessionario(?: ?/ ?committente)?"
    r"|committente"
    r"|intestatario|fatturare a|intestat[oa] a|spett(?:\.le|abile|le|\.)",
}
_ROLE_OF = {role: re.compile(rf"(?:{words})", re.IGNORECASE) for role, words in _HEADINGS.items()}
_ANY = "|".join(_HEADINGS.values())
_HEADING = re.compile(
    rf"^(?P<words>(?:{_ANY})(?: ?[/&] ?(?:{_ANY}))*)(?P<colon>\s*:|\s*$|(?=\s{{2,}})"
    rf"|(?<=[aàe.]) )\s*(?P<rest>.*)$",
    re.IGNORECASE,
)
# Words that head a block only before a colon or alone on their line.
_WEAK = re.compile(r"^(?:to|from|von|an|de|da|[àa]|kunden?|client|cliente|customer|livraison)$", re.IGNORECASE)
_TOWN = re.compile(r"(?:[A-Z]{1,3}[- ])?\d{4,5} [A-ZÀ-Þ]")
_TABLE = re.compile(
    r"^(?:pos\b|position|art(?:ikel)?[- .]?(?:nr|bez)|menge\b|bezeichnung|beschreibung\b|description"
    r"|d[ée]signation|quantit"
    r"|qty\b|descrizione|amount\b|item\b|bemerkung|zahlungs|handelsrechnung|positionsdaten|betreff)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """A line of the text; `index`: its place among all lines; `role` and `block` where it stands in a party's block
    (the heading's rest is its first)."""

    text: str
    index: int
    page: int
    role: Role | None = None
    block: int | None = None


def split_lines(pages: tuple[str, ...]) -> list[Line]:
    """The lines that hold something, in order, with the blocks they belong to."""
    lines: list[Line] = []
    for page, text in enumerate(pages):
        for raw in text.split("\n"):
            for piece in _part(raw.rstrip()):
                if len(lines) < MAX_LINES:
                    lines.append(Line(piece, len(lines), page))
    return _assign_blocks(lines)


def _part(raw: str) -> Iterator[str]:
    start = 0
    while start < len(raw) and start < _MAX_LINE * MAX_LINES:
        end = len(raw) if len(raw) - start <= _MAX_LINE else raw.rfind(" ", start + 1, start + _MAX_LINE)
        end = end if end > start else start + _MAX_LINE
        if raw[start:end].strip():
            yield raw[start:end] if start == 0 else raw[start:end].strip()
        start = end


def match_heading(text: str) -> tuple[Role, str] | None:
    """Role and the rest of the line where `text` begins a party's block; None for other lines.

    A number after the words makes it a label of that number ("Kunde: 10234"), not a heading.
    """
    match = _HEADING.match(text.strip())
    if match is None:
        return None
    rest = match["rest"].strip()
    if rest and not re.search(r"[^\W\d_]{2}", rest):
        return None
    if _WEAK.match(match["words"]) and rest and ":" not in match["colon"]:
        return None
    first = re.split(r" ?[/&] ?", match["words"])[0]
    roles = [
        role for role, pattern in _ROLE_OF.items() if pattern.fullmatch(match["words"]) or pattern.fullmatch(first)
    ]
    return (roles[0], rest) if roles else None


def _read_columns(lines: list[Line], position: int, block: int) -> list[Line]:
    """Two parties side by side ("Bill to:    Ship to:" over rows of two cells), one after the other; else nothing."""
    headings = [match_heading(cell) for cell in _cells(lines[position].text)]
    if len(headings) != 2 or headings[0] is None or headings[1] is None:
        return []
    rows = []
    for line in lines[position + 1 : position + 1 + MAX_BLOCK]:
        cells = _cells(line.text)
        if len(cells) != 2:
            break
        rows.append((line, cells))
    return [
        replace(line, text=cells[column], role=heading[0], block=block + 1 + column)
        for column, heading in enumerate(headings)
        if heading is not None
        for line, cells in rows
    ]


def _cells(text: str) -> list[str]:
    return re.split(r"\s{2,}", text.strip())


def _assign_blocks(lines: list[Line]) -> list[Line]:
    assigned: list[Line] = []
    role: Role | None = None
    block, left, skip = 0, 0, 0
    for position, line in enumerate(lines):
        if position < skip:
            continue
        columns = _read_columns(lines, position, block)
        if columns:
            skip, left, block = position + 1 + len(columns) // 2, 0, block + 2
            assigned += columns
            continue
        heading = match_heading(line.text)
        if heading is not None:
            (role, rest), left, block = heading, MAX_BLOCK, block + 1
            assigned.append(
                replace(line, text=rest or "", role=role, block=block) if rest else replace(line, block=block)
            )
            continue
        if left and (_TABLE.match(line.text.strip()) or line.page != assigned[-1].page):
            left = 0
        assigned.append(replace(line, role=role, block=block) if left else line)
        # A place of delivery ends with its town; below it another, unheaded address may begin.
        left = 0 if role == "other" and _TOWN.match(line.text.strip()) else max(0, left - 1)
    # Rows of two cells have become two lines each.
    return [replace(line, index=index) for index, line in enumerate(assigned)]
