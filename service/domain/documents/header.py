"""Finds what stands once in an invoice's head or foot: number, dates, currency, IBAN and VAT id.

Each rule carries the confidence of what it finds; the first rule that finds something wins. IBAN: .95 where its check
digits hold, else .75. VAT id: .55 and a tenth for each point of `_vat_score`; .5 for one that may be the buyer's.
Currency: .95 by label, else .6 and more the fewer other currencies there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from service.domain.documents.amounts import CURRENCY_CODES, CURRENCY_SIGNS, find_amounts
from service.domain.documents.dates import DateFound, find_dates, parse_date
from service.domain.documents.identifiers import Identifier, find_ibans, find_vats
from service.domain.documents.lines import Line

_TITLE = (
    r"(?:\w*rechnung(?:s?-?korrektur)?|gutschrift|\w*beleg|\w*faktura|(?:tax |proforma |pro forma "
    r"|commercial )?invoice"
    r"|credit (?:note|memo)|bill|facture(?: d['’]avoir)?|avoir|note de cr[ée]dit|fattura|nota di credito"
    r"|parcella|bolletta)"
)
_NUMBER_WORD = r"(?:nr|nummer|no|number|num|num[ée]ro|numero|n°|nº|n|#|id|code)"
_VALUE = r"(?P<value>(?:[A-Z]{2,5} )?(?=[\w./#-]*\d)[A-Za-z0-9][\w./#-]*)"
_LABELLED_NUMBER = re.compile(
    rf"\b{_TITLE}s?[\s-]*{_NUMBER_WORD}(?:\b\.?|(?<=[°º#])|(?<=\.))(?:\s*\([^)]*\))?\s*[:#]?\s*{_VALUE}", re.IGNORECASE
)
_NUMBER_OF_TITLE = re.compile(
    rf"\b{_NUMBER_WORD}\.?\s*(?:de la |de l['’]|de |della |di |d['’]|of |der )?(?:{_TITLE}"
    rf"|documento?)\s*[:#]?\s*{_VALUE}",
    re.IGNORECASE,
)
_DOCUMENT_NUMBER = re.compile(
    rf"\b(?:document|beleg|dokument|documento)s?[\s-]*{_NUMBER_WORD}\b\.?\s*[:#]?\s*{_VALUE}", re.IGNORECASE
)
_TITLE_THEN_NUMBER = re.compile(
    rf"\b{_TITLE}\b(?P<between>[^:]{{0,45}}?)(?:\b(?:nr|no|n)\.|n[°º]|\bnr\b|\bno\b|#)\s*:?\s*{_VALUE}", re.IGNORECASE
)
_REFERENCE_OF_TITLE = re.compile(
    rf"\b{_TITLE}s?[\s-]*(?:r[ée]f(?:\b\.?|[ée]rence)|refer[ez]n[cz]e?|riferimento)\s*[:#]?\s*{_VALUE}", re.IGNORECASE
)
_TITLE_AND_VALUE = re.compile(rf"^\W*{_TITLE}\s*[:#-]?\s+{_VALUE}", re.IGNORECASE)
_NUMBER_LABEL_ALONE = re.compile(
    rf"\b(?:{_TITLE}s?[\s-]*{_NUMBER_WORD}(?!\w)\.?|{_NUMBER_WORD}\.?\s*(?:de la |de |della |di |d['’]"
    rf"|of )?{_TITLE})(?!\w)",
    re.IGNORECASE,
)
_ANY_NUMBER_LABEL = re.compile(
    r"(?:nummer|number|num[ée]ro|numero|\b(?:nr|no|n[°º]|id|code|ref\w*))\.?\s*:?\s*$|^(?:num[ée]ro|numero|n[°º])\s",
    re.IGNORECASE,
)
_MOST_STACKED = 8
_BARE_NUMBER = re.compile(
    rf"(?:^|\s{{3,}})(?:nr|nummer|no|number|n[°º]|num[ée]ro|numero|ref(?:erence)?)\b\.?\s*[:#]\s*{_VALUE}",
    re.IGNORECASE,
)
# "Gutschrift zu Rechnung Nr. 7": the number of another document.
_REFERENCE = re.compile(
    r"(?:\bzur?|\bfor|\bto|\bof|\bpour|relative|concerna|\brif\w*\.?|ursprung\w*|urspr[üu]ngl\w*|original\w*"
    r"|(?:annul|corrig|cancels|storn|rettific)\w*(?:\s\w+(?:ment|ly|weise|mente))?"
    r"|vorherige\w*|r[ée]f[ée]rence|related|previous|\bsu\b|della)\s*(?:the |der |la |al |l['’])?$",
    re.IGNORECASE,
)

_PAGE = re.compile(r"(?:page|seite|blatt|pagina|pag\.?|p\.?)\s\d", re.IGNORECASE)
_NUMBER_OF_ELSE = re.compile(
    r"kunde|auftrag|bestell|liefer|vertrag|steuer|konto|customer|order|contract|account|client|commande"
    r"|contrat|compte|cliente|ordine"
    r"|contratto|iva\b|tva\b|vat\b",
    re.IGNORECASE,
)

_ISSUE_LABEL = re.compile(
    r"(?:rechnungs|beleg|faktur\w*|ausstellungs|gutschrifts?|erstellungs)[-\s]?datum|datum der rechnung"
    r"|(?:invoice|issue|billing|bill|document|credit note)[-\s]date|date of (?:issue|invoice)"
    r"|\bissued(?: at| on)?\b|invoice dated"
    r"|date\s(?:de\s|d['’]\s?)(?:la\s|l['’])?(?:facture|facturation|[ée]mission|avoir)|factur[ée]e? le"
    r"|[ée]mise? le"
    r"|data\s(?:della?\s|di\s)?(?:fattura|emissione|documento)|emess[ao] il",
    re.IGNORECASE,
)
_DUE_LABEL = re.compile(
    r"f[äa]llig(?:keit)?|zahlbar|zahlungsziel|[üu]berweisen|\bdue\b|pay(?:able|ment)?\s(?:by|before"
    r"|until)|remit|[ée]ch[ée]ance"
    r"|payer avant|payable (?:le|avant|au)|r[èe]gle(?:r|ment) avant|scadenza|pagare entro|entro il",
    re.IGNORECASE,
)
_DISCOUNT = re.compile(r"skonto|discount|escompte|sconto", re.IGNORECASE)
_OTHER_DATE = re.compile(
    r"liefer|leistung|bestell|auftrag|versand|zeitraum|deliver|order|ship|period|service|livraison"
    r"|commande|prestation|p[ée]riode"
    r"|consegna|ordine|spedizione|periodo|geburt|birth|naissance|valut|reklam|schreiben|abschlag"
    r"|anzahlung|acompte|virement",
    re.IGNORECASE,
)
_TITLE_WORD = re.compile(rf"\b{_TITLE}\b", re.IGNORECASE)
_TITLE_CONTEXT = re.compile(r"\b(?:vom|von|nr|no|du|of|from|del|le|n[°º])\b|#|\d|^\W*$|-\s*$", re.IGNORECASE)
# An invoice bears its date on its first pages.
_HEAD_LINES = 400
_BARE_DATE_LABEL = re.compile(r"(?:^|\s{2,})(?:datum|date|data|le|del|den|dated)\s*:?\s*$", re.IGNORECASE)
_PLACE_BEFORE = re.compile(r"^[^\W\d_][\w .'-]{1,30},\s*(?:den|le|l[ìi]|il|the)?\s*$", re.IGNORECASE)

_CURRENCY_LABEL = re.compile(
    r"\b(?:(?:rechnungs|beleg)?w[äa]hrung|(?:invoice\s)?currency|devise|monnaie|valuta"
    r"|divisa)\s*(?:code)?\s*[:=]?\s*(?P<code>[A-Z]{3}|[€£$])(?!\w)",
    re.IGNORECASE,
)
_BUYER_VAT = re.compile(
    r"client|kunde|ihre|customer|buyer|your|acheteur|preneur|cliente|acquirente|empf[äa]nger|cession", re.IGNORECASE
)
_NOT_OWN = -10.0
_OWN_VAT = re.compile(r"ust|umsatzsteuer|mwst|vat|tva|iva\b|uid|tax", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A value and how sure we are of it."""

    value: str
    confidence: float
    valid: bool | None = None


def find_invoice_number(lines: list[Line]) -> Found | None:
    """The document's own number; a reference to another document counts only where nothing else is found."""
    rules = (
        (_LABELLED_NUMBER, 0.95),
        (_NUMBER_OF_TITLE, 0.95),
        (_DOCUMENT_NUMBER, 0.93),
        (_TITLE_THEN_NUMBER, 0.92),
        (_TITLE_AND_VALUE, 0.88),
    )
    for pattern, confidence in rules:
        for line in lines:
            value = _number_in(line.text, pattern)
            if value:
                return Found(value, confidence)
    below = next((value for value in (_number_below(lines, line) for line in lines) if value), None)
    if below:
        return Found(below, 0.75)
    # A credit note's "Invoice reference" is another document's: last.
    for pattern in (_BARE_NUMBER, _REFERENCE_OF_TITLE):
        found = next((value for line in lines[:25] if (value := _number_in(line.text.strip(), pattern))), None)
        if found:
            return Found(found, 0.5)
    return None


def find_issue_date(lines: list[Line], month_first: bool = False) -> Found | None:
    """ISO date of issue. Cases in order: its label before it, or on the line above; the title's line; "Date:"; a place
    before it; a date alone on its line; the first date that no other label claims.
    """
    labelled = _date_after(lines, _ISSUE_LABEL, month_first)
    if labelled:
        return Found(labelled, 0.95)
    rules: tuple[tuple[Callable[[_DateInLine], bool], float], ...] = (
        (_is_in_title, 0.9),
        (_has_bare_label, 0.85),
        (_has_place, 0.75),
        (_is_alone, 0.6),
        (lambda _: True, 0.4),
    )
    dates = [date for line in lines[:_HEAD_LINES] for date in _dates_in(line.text, month_first)]
    for rule, confidence in rules:
        chosen = next((date for date in dates if not _is_claimed(date) and rule(date)), None)
        if chosen is not None:
            sure = confidence - (0.15 if chosen.found.is_ambiguous else 0)
            return Found(chosen.found.value.isoformat(), round(sure, 2))
    return None


def find_due_date(lines: list[Line], month_first: bool = False) -> str | None:
    """ISO date by which to pay; dates for a cash discount are not meant."""
    for position, line in enumerate(lines):
        label = _DUE_LABEL.search(line.text)
        if label is None or _DISCOUNT.search(line.text):
            continue
        following = lines[position + 1].text if position + 1 < len(lines) else ""
        for text in (line.text[label.start() :], following):
            found = next(find_dates(text, month_first), None)
            if found is not None:
                return found.value.isoformat()
    return None


def find_currency(lines: list[Line]) -> Found | None:
    """ISO 4217 code: the one named as the invoice's currency, else the one that stands beside the most amounts."""
    for line in lines:
        for match in _CURRENCY_LABEL.finditer(line.text):
            code = CURRENCY_SIGNS.get(match["code"], match["code"].upper())
            if code in CURRENCY_CODES:
                return Found(code, 0.95)
    counts = Counter(amount.currency for line in lines for amount in find_amounts(line.text) if amount.currency)
    if counts:
        (code, count), total = counts.most_common(1)[0], counts.total()
        return Found(code, round(0.6 + 0.35 * count / total, 2))
    words = Counter(word for line in lines for word in re.findall(r"\b[A-Z]{3}\b|[€£]", line.text))
    named = [
        (CURRENCY_SIGNS.get(word, word), n) for word, n in words.most_common() if word in CURRENCY_CODES or word in "€£"
    ]
    return Found(named[0][0], 0.6) if named else None


def find_iban(lines: list[Line]) -> Found | None:
    """The first IBAN whose check digits hold, else the first that is labelled as one; not the payer's own."""
    found: list[Identifier] = []
    for position, line in enumerate(lines):
        above = lines[position - 1].text if position else ""
        is_labelled = bool(re.search(r"\bIBAN\b\W*$", above))
        found += find_ibans(line.text, is_labelled)
    # The sort is stable: among equals the first in the document stays first.
    found.sort(key=lambda item: (not item.valid, not item.is_labelled))
    if not found:
        return None
    return Found(found[0].value, 0.95 if found[0].valid else 0.75, found[0].valid)


def find_vat(lines: list[Line]) -> Found | None:
    """The seller's VAT id: not one that stands in another party's block or is called the client's."""
    scored: list[tuple[float, Identifier]] = []
    for position, line in enumerate(lines):
        above = lines[position - 1].text if position else ""
        scored += [(_vat_score(line, above, identifier), identifier) for identifier in find_vats(line.text)]
    if not scored:
        return None
    score, identifier = max(scored, key=lambda item: item[0])
    if score > 0:
        return Found(identifier.value, min(0.95, round(0.55 + score / 10, 2)), identifier.valid)
    # An invoice must show its seller's, not its buyer's: the only one below the buyer's address is likely the seller's.
    is_only = len({other.value for _, other in scored}) == 1
    return Found(identifier.value, 0.5, identifier.valid) if is_only and score > _NOT_OWN else None


def is_month_first(text: str) -> bool:
    """Whether 03/05/2024 means March 5th: in English documents that count in dollars."""
    return "$" in text and not re.search(r"€|£|\b(?:EUR|GBP|CHF|AUD|NZD)\b", text)


def _number_in(text: str, pattern: re.Pattern[str]) -> str | None:
    for match in pattern.finditer(text):
        value = match["value"].rstrip(".-/#")
        if _NUMBER_OF_ELSE.search(match.groupdict().get("between") or ""):
            continue
        if not _REFERENCE.search(text[: match.start()]) and _is_number(value):
            return value
    return None


def _is_number(value: str) -> bool:
    if _PAGE.match(value):
        return False
    return bool(re.search(r"\d", value)) and parse_date(value) is None and len(value) <= 40


def _number_below(lines: list[Line], line: Line) -> str | None:
    """The number under a label that stands in a table's head: the word at the same place among the words below."""
    label = _NUMBER_LABEL_ALONE.search(line.text)
    if label is None or line.index + 1 >= len(lines) or _REFERENCE.search(line.text[: label.start()]):
        return None
    words = [
        word for word in lines[line.index + 1].text.split() if _is_number(word) and re.fullmatch(r"[\w./#-]+", word)
    ]
    return words[0] if words else _number_in_stack(lines, line)


def _number_in_stack(lines: list[Line], line: Line) -> str | None:
    """Labels one a line over as many values: the number as far down among the values that are numbers as its label is
    among the labels of numbers."""
    if not _is_label_alone(line.text):
        return None
    first = last = line.index
    while first > max(0, line.index - _MOST_STACKED) and _is_label_alone(lines[first - 1].text):
        first -= 1
    while last + 1 < min(len(lines), line.index + _MOST_STACKED) and _is_label_alone(lines[last + 1].text):
        last += 1
    before = sum(bool(_ANY_NUMBER_LABEL.search(other.text)) for other in lines[first : line.index])
    below = (other.text.strip() for other in lines[last + 1 : last + 1 + _MOST_STACKED])
    values = [text for text in takewhile(_is_value_alone, below) if _is_number(text)]
    return values[before] if before < len(values) else None


def _is_label_alone(text: str) -> bool:
    return len(text.strip()) <= 40 and not re.search(r"\d", text)


def _is_value_alone(text: str) -> bool:
    return bool(re.fullmatch(r"[\w./#-]*\d[\w./#-]*", text)) or parse_date(text) is not None


def _date_after(lines: list[Line], label: re.Pattern[str], month_first: bool) -> str | None:
    for position, line in enumerate(lines):
        for match in label.finditer(line.text):
            here = next(find_dates(line.text[match.end() :], month_first), None)
            if here is None and position + 1 < len(lines):
                here = next(find_dates(lines[position + 1].text, month_first), None)
            if here is not None:
                return here.value.isoformat()
    return None


@dataclass(frozen=True)
class _DateInLine:
    """A date with what stands before and after it in its line."""

    found: DateFound
    before: str
    after: str


def _dates_in(text: str, month_first: bool) -> Iterator[_DateInLine]:
    for found in find_dates(text, month_first):
        yield _DateInLine(found, text[: found.start], text[found.end :])


def _is_claimed(date: _DateInLine) -> bool:
    return bool(_OTHER_DATE.search(date.before) or _DUE_LABEL.search(date.before))


def _is_in_title(date: _DateInLine) -> bool:
    """Beside the document's title, together with a number, or a word such as "vom", or nothing else."""
    title = _TITLE_WORD.search(f"{date.before}\n{date.after}")
    if title is None or _REFERENCE.search(date.before[: title.start()]):
        return False
    return bool(_TITLE_CONTEXT.search(date.before + date.after))


def _has_bare_label(date: _DateInLine) -> bool:
    return bool(_BARE_DATE_LABEL.search(date.before))


def _has_place(date: _DateInLine) -> bool:
    return bool(_PLACE_BEFORE.match(date.before)) and not date.after.strip(" .")


def _is_alone(date: _DateInLine) -> bool:
    return not date.before.strip() and not date.after.strip()


def _vat_score(line: Line, above: str, identifier: Identifier) -> float:
    """4 at best: +2 labelled, +1 check digits, +1 in the seller's block; −5 where it is another party's.

    Example: "USt-IdNr: DE123456788" in the foot scores 2 or 3, the same number in the buyer's block −2.
    """
    before = line.text[: identifier.start]
    score = 0.0
    if _OWN_VAT.search(before) or identifier.is_labelled or (_OWN_VAT.search(above) and not before.strip()):
        score += 2
    score += 1 if identifier.valid else 0
    score += 1 if line.role == "seller" else 0
    if _BUYER_VAT.search(before):
        return _NOT_OWN
    return score - 5 if line.role in ("buyer", "other") else score
