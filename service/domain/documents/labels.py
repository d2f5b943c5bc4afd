"""What the words before an amount say about it: untaxed, tax, total, or none of these; in four languages.

Owns the words; which of several amounts is chosen, `totals` decides.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["untaxed", "tax", "total"]

_TAX_WORD = (
    r"(?:mwst\.?|mehrwertsteuer|ust\.?|umsatzsteuer|steuern?|vat|tax(?:es)?|tva|t\.v\.a\.|iva|i\.v\.a\."
    r"|imposta|gst)"
)
_WITH_TAX = re.compile(
    rf"\b(?:inkl?\.?|incl?\.?|inklusive|including|inclusive|mit|with|toutes|compris\w*|con"
    rf"|ttc)\b[^\d]{{0,25}}?{_TAX_WORD}",
    re.IGNORECASE,
)
_WITHOUT_TAX = re.compile(
    rf"\b(?:ohne|exkl?\.?|excl?\.?|exklusive|excluding|exclusive|without|before|hors|sans|senza|net of|vor"
    rf"|esclus\w*)\b[^\d]{{0,25}}?{_TAX_WORD}|{_TAX_WORD} (?:esclusa|excluded)",
    re.IGNORECASE,
)
# Sums of other things: what is left to pay, deposits, discounts, sums of rows, carried over, per unit.
_IGNORED = re.compile(
    r"anzahlung|abschlag|zuschlag|rabatt|skonto|prepaid|paid\b|discount|acompte|remise|escompte|rest\b"
    r"|d[ée]j[àa]|pay[ée]\b|sconto|acconto"
    r"|einzelpreis|unit price|prix unitaire|[üu]bertrag|report|kapital|capital|bruttopreis|nettopreis"
    r"|teilzahlung|umrechnung|allowance"
    r"|versand|shipping|frais de port|trasporto",
    re.IGNORECASE,
)
_WORDS: tuple[tuple[Kind, float, str], ...] = (
    (
        "untaxed",
        1.0,
        (
            r"rechnungssumme ohne|(?:gesamt|summe)?\s?netto(?:gesamt)?(?:betrag|summe|wert)?"
            r"|(?:gesamt)?(?:betrag|summe|total)\s\(?netto\)?"
            r"|gesamtnetto|total\s(?:g[ée]n[ée]ral\s)?\(?h\.?\s?t\.?\)?|montant\s(?:total\s)?h\.?t\.?"
            r"|total net(?: ht)?|base ht|imponibile|totale\s(?:imponibile|netto)"
            r"|net(?: total| amount| value| sum)?|total net|total (?:before|without)|taxable amount"
            r"|untaxed(?: amount)?|tax basis|total excl\w*|steuerbasis\w*|netto"
        ),
    ),
    ("untaxed", 0.7, r"zwischensumme|sub-?\s?total|sous-total|subtotale|totale merce"),
    ("untaxed", 0.4, r"warenwert|positionssumme|basisbetrag|line total|base"),
    (
        "total",
        1.0,
        (
            r"brutto(?:gesamt)?(?:summe|betrag)?|gesamtbrutto|gesamt(?:betrag|summe)?\s?\(?brutto\)?"
            r"|(?:summe|betrag|total)\s\(?brutto\)?|gesamtbetrag|gesamtsumme"
            r"|rechnungs(?:gesamt)?(?:betrag|summe|endbetrag)|end(?:betrag|summe|preis)"
            r"|total\s(?:g[ée]n[ée]ral\s)?\(?t\.?\s?t\.?\s?c\.?\)?|montant\s(?:total\s)?t\.?t\.?c\.?"
            r"|grand total|(?:rechnungs|gesamt|end)total|gross(?: total| amount)|total gross"
            r"|invoice (?:total|amount)|total (?:incl\w*"
            r"|with)|total amount|totale\s(?:fattura|documento|complessivo|generale|ivato)"
            r"|importo totale|total de la facture"
            r"|gutschrifts?(?:betrag|summe)|erstattungs?betrag|(?:total|montant) (?:de l['’])?avoir|total credit"
            r"|credit (?:total|amount)|totale (?:della )?nota di credito"
        ),
    ),
    (
        "total",
        0.8,
        (
            r"zahlbetrag|zu zahlen(?:der betrag)?|zahlungsbetrag|f[äa]lliger betrag|net\s[àa]\spayer"
            r"|total\s[àa]\spayer|montant\s(?:d[ûu]|[àa]\spayer)|total (?:due|payable|to pay)"
            r"|amount (?:due|payable)|balance(?: due)?|due payable|netto a pagare|totale (?:da pagare"
            r"|a pagare)|totale dovuto|solde(?:\s[àa]\spayer)?"
        ),
    ),
    ("total", 0.6, r"gesamt|total|totale|summe|somme|betrag|montant|importo|sum"),
    (
        "tax",
        1.0,
        (
            rf"steuerbetrag|{_TAX_WORD}[-\s]*(?:betrag|gesamt|total|amount|summe)|(?:total|totale|gesamt"
            rf"|summe|montant)\s(?:de\s(?:la\s)?|des\s|der\s)?{_TAX_WORD}"
            r"|sales tax"
        ),
    ),
    ("tax", 0.8, rf"{_TAX_WORD}"),
)
_LABELS = tuple(
    (kind, weight, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)) for kind, weight, words in _WORDS
)
EXEMPT = re.compile(
    r"steuerfrei|§\s?19\s|kleinunternehmer|reverse charge|steuerschuldnerschaft|umsatzsteuerbefreit"
    r"|exon[ée]r|tva non applicable|autoliquidation"
    r"|non applicable|tax exempt|vat exempt|zero[- ]rated|esente|non imponibile|fuori campo"
    r"|inversione contabile",
    re.IGNORECASE,
)
INVOICE_WORD = re.compile(
    r"rechnung|invoice|facture|fattura|gutschrift|credit note|avoir|nota di credito|bolletta", re.IGNORECASE
)


@lru_cache(maxsize=4096)
def classify_label(label: str) -> tuple[Kind, float] | None:
    """What an amount after `label` is, and how clearly the label says so; None for a label of something else.

    Cases in order: a sum without tax; a sum with tax (tax itself, where nothing but "incl. VAT" stands there); the last
    of the known words, as in "Steuerbetrag" of "Total taxes". Example: "Gesamtbetrag inkl. 19 % MwSt." is a total.
    """
    if _IGNORED.search(label):
        return None
    if _WITHOUT_TAX.search(label):
        return "untaxed", 1.0
    with_tax = _WITH_TAX.search(label)
    if with_tax:
        rest = label[: with_tax.start()]
        is_named = any(pattern.search(rest) for kind, _, pattern in _LABELS if kind != "tax")
        return ("total", 1.0) if is_named else ("tax", 0.7)
    matches = [
        (len(match[0]), kind, weight)
        for kind, weight, pattern in _LABELS
        for match in [_longest(pattern, label)]
        if match
    ]
    if not matches:
        return None
    _, kind, weight = max(matches, key=lambda item: (item[0], item[2]))
    return kind, weight


def _longest(pattern: re.Pattern[str], label: str) -> re.Match[str] | None:
    return max(pattern.finditer(label), key=lambda match: len(match[0]), default=None)


def find_labels(text: str) -> list[tuple[int, int, Kind, float]]:
    """Start, end, kind and clearness of each label in `text`, in its order; of overlapping ones the longest.

    None where the text speaks of sums with or without tax: its tax word is no label of its own.
    """
    if _WITH_TAX.search(text) or _WITHOUT_TAX.search(text):
        return []
    matches = [
        (match.start(), match.end(), kind, weight)
        for kind, weight, pattern in _LABELS
        for match in pattern.finditer(text)
    ]
    matches.sort(key=lambda item: (item[0] - item[1], -item[3]))
    kept: list[tuple[int, int, Kind, float]] = []
    for start, end, kind, weight in matches:
        if all(end <= other[0] or start >= other[1] for other in kept):
            kept.append((start, end, kind, weight))
    return sorted(kept)
