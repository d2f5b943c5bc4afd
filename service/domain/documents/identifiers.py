"""Finds IBANs and VAT identification numbers in text and checks their digits, offline, with python-stdnum.

Owns what such numbers look like; whose number it is, `header` decides from the lines around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum import iban as stdnum_iban
from stdnum.ch import vat as swiss_vat
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as british_vat

# Lengths from the SWIFT IBAN registry, release 99, for the countries of SEPA and its neighbours.
_IBAN_LENGTHS = {
    "AD": 24, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GI": 23, "GL": 18, "GR": 27, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "ME": 22, "MK": 19, "MT": 31,
    "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26,
    "UA": 29,
}  # fmt: skip

# Two blanks or a line's end part an IBAN from what stands beside it; one blank may be within it.
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(_IBAN_LENGTHS) + r")[0-9]{2}(?:[ \u00a0]?[A-Z0-9]){10,30}")
_SHORTEST_IBAN = min(_IBAN_LENGTHS.values())
_IBAN_LABEL = re.compile(r"\bIBAN\b|Konto|compte|conto|account", re.IGNORECASE)

_VAT_BODY = {
    "AT": r"U\d{8}", "BE": r"[01]?\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}", "DE": r"\d{9}",
    "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}",
    "FR": r"[A-Z0-9]{2}\d{9}", "GB": r"\d{9}(?:\d{3})?", "HR": r"\d{11}", "HU": r"\d{8}",
    "IE": r"\d[A-Z0-9]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}", "LT": r"\d{9}(?:\d{3})?", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}", "NL": r"\d{9}B\d{2}",
    "PL": r"\d{10}", "PT": r"\d{9}", "RO": r"\d{2,10}", "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}",
    "XI": r"\d{9}", "CHE": r"\d{9}",
}  # fmt: skip
_CHECKED_COUNTRIES = {country[:2] for country in _VAT_BODY} | {"GR"}
_VAT = re.compile(
    r"(?<![A-Za-z0-9])(?P<country>CHE|"
    + "|".join(c for c in _VAT_BODY if c != "CHE")
    + r")[-. ]?(?P<body>[A-Z0-9](?:[-. ]?[A-Z0-9]){1,13})(?![A-Za-z0-9])"
)
_ITALIAN = re.compile(
    r"(?:P(?:artita|\.)?\s?I\.?V\.?A\.?|\bP\.?I\.?)[^\d\n]{0,12}(?P<body>[0-9]{11})(?!\d)", re.IGNORECASE
)


@dataclass(frozen=True)
class Identifier:
    """A number found in a line, without blanks, and whether its check digits hold."""

    value: str
    start: int
    end: int
    valid: bool
    is_labelled: bool = False


def compact(written: str) -> str:
    """`written` without blanks, dots and dashes, in capitals."""
    return re.sub(r"[\s.\-\u00a0]", "", written).upper()


def is_valid_iban(value: str) -> bool:
    """Whether length, structure and check digits (ISO 13616, mod 97) hold; national check digits are not looked at."""
    return value.isascii() and bool(stdnum_iban.is_valid(value, check_country=False))


def is_valid_vat(value: str) -> bool:
    """Whether structure and check digits of a European VAT id hold (EU, GB and CH); False for other countries."""
    if not value.isascii():
        return False
    try:
        if value.startswith("CHE"):
            # The suffix MWST, TVA or IVA is part of the Swiss number and often left out.
            return bool(swiss_vat.is_valid(value if value[-1:].isalpha() else value + "MWST"))
        if value.startswith("GB"):
            return bool(british_vat.is_valid(value))
        return bool(eu_vat.is_valid(value))
    except ValidationError:
        return False


def check_vat(value: str) -> bool | None:
    """`is_valid_vat`; None for an id of a country whose ids are not checked, such as NO123456785MVA."""
    country = value[:2]
    is_foreign = country.isascii() and country.isalpha() and country not in _CHECKED_COUNTRIES
    return None if is_foreign else is_valid_vat(value)


def find_ibans(line: str, is_labelled: bool = False) -> Iterator[Identifier]:
    """Each IBAN in `line`. One whose check digits or length are wrong counts only where it is labelled as one."""
    position = 0
    while match := _IBAN.search(line, position):
        # A tax number one blank before an IBAN begins like one: the search goes on within it.
        position = match.start() + 2
        labelled = is_labelled or bool(_IBAN_LABEL.search(line[: match.start()]))
        whole = _take_characters(match[0], _IBAN_LENGTHS[match[0][:2]])
        valid = whole is not None and is_valid_iban(compact(whole))
        # Where digits are wrong or missing, letters that follow belong to the next word.
        written = whole if whole is not None and valid else _digits_only(match[0])
        if valid or (labelled and len(compact(written)) >= _SHORTEST_IBAN):
            position = match.start() + len(written)
            yield Identifier(compact(written), match.start(), match.start() + len(written), valid, labelled)


def find_vats(line: str) -> Iterator[Identifier]:
    """Each VAT id in `line` that has its country's form, outside of IBANs."""
    ibans = [(found.start, found.end) for found in find_ibans(line)]
    position = 0
    while match := _VAT.search(line, position):
        # A country's code before the label ("IE VAT IE6388047V") begins like an id: the search goes on within it.
        position = match.start() + 2
        if any(start <= match.start() < end for start, end in ibans):
            continue
        body = _fit_body(match["country"], match["body"])
        if body:
            position = match.end()
            value = match["country"] + body
            yield Identifier(value, match.start(), match.end(), is_valid_vat(value))
    for match in _ITALIAN.finditer(line):
        value = "IT" + match["body"]
        yield Identifier(value, match.start(), match.end(), is_valid_vat(value), True)


def _take_characters(written: str, count: int) -> str | None:
    """The beginning of `written` that holds `count` letters and digits; None where it has fewer."""
    seen = 0
    for position, character in enumerate(written, 1):
        seen += not character.isspace()
        if seen == count:
            return written[:position]
    return None


def _digits_only(written: str) -> str:
    """`written` up to the first word that is no number: "DE12 1234 BIC" ends before BIC."""
    head, *words = written.split()
    kept = [head]
    for word in words:
        if not word.isdigit():
            break
        kept.append(word)
    return "".join(kept)


def _fit_body(country: str, written: str) -> str | None:
    """The longest beginning of `written`, without blanks, that has the country's form and ends where a word ends."""
    words = re.split(r"[-. ]", written)
    for count in range(len(words), 0, -1):
        body = "".join(words[:count])
        if re.fullmatch(_VAT_BODY[country], body):
            return body
    return None
