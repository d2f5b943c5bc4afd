"""Finds untaxed amount, tax and grand total in a document's lines.

Every amount near a label becomes a candidate for what the label says, with a weight; then the three are chosen
together, so that untaxed + tax = total wherever the document's own numbers allow it. Confidence of a value:

* .97  all three are printed, clearly labelled, and add up; .9 where a label is weak or the tax is a sum of parts
* .85  untaxed and total are the same, and the document says that no tax is due; .6 where it does not say so
* .75  untaxed and total are printed, the tax is their difference; .6 where printed taxes disagree
* .75  the value is labelled, but nothing confirms it; .7 derived from the two others; .6 with a weak label ("Total")
* .3   the largest amount of an invoice without any label
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, islice, product

from service.domain.documents.amounts import Amount, find_amounts, format_amount
from service.domain.documents.header import Found
from service.domain.documents.labels import EXEMPT, INVOICE_WORD, Kind, classify_label, find_labels
from service.domain.documents.lines import Line

_CENT = Decimal("0.01")
_MOST_CANDIDATES = 14
_MOST_STACKED = 8
# Hungary's 27 % is the highest rate of VAT in Europe; three more for what rounding and levies add.
_HIGHEST_RATE = Decimal("0.3")
_NO_COLUMN = -1000


@dataclass(frozen=True)
class Candidate:
    """An amount that a label calls untaxed, tax or total; `weight` up to 1."""

    kind: Kind
    value: Decimal
    weight: float


@dataclass(frozen=True)
class _Choice:
    untaxed: Decimal | None
    tax: Decimal | None
    total: Decimal | None
    score: float
    confidence: dict[Kind, float]


def find_totals(lines: list[Line], currency: str | None = None) -> dict[Kind, Found]:
    """What is found of untaxed, tax and total; `currency`: the invoice's, where another one's amounts stand beside."""
    candidates = _best(_collect(lines, currency))
    choice = _choose(candidates, any(EXEMPT.search(line.text) for line in lines))
    found: dict[Kind, Found] = {}
    for kind, value in (("untaxed", choice.untaxed), ("tax", choice.tax), ("total", choice.total)):
        if value is not None:
            found[kind] = Found(format_amount(value), choice.confidence[kind])  # type: ignore[index]
    if "total" not in found and any(INVOICE_WORD.search(line.text) for line in lines):
        sums = (a.value for line in lines for a in find_amounts(line.text) if a.currency and a.has_cents)
        largest = max(sums, key=abs, default=None)
        if largest is not None:
            found["total"] = Found(format_amount(largest), 0.3)
    return found


def _collect(lines: list[Line], currency: str | None) -> Iterator[Candidate]:
    for position, line in enumerate(lines):
        amounts = [amount for amount in find_amounts(line.text) if _could_be_sum(amount)]
        if amounts:
            yield from _from_line(line.text, amounts, currency)
        else:
            yield from _from_lines_below(lines, position)
    yield from _from_tax_table(lines)


def _could_be_sum(amount: Amount) -> bool:
    return amount.has_cents or amount.currency is not None


def _from_line(text: str, amounts: list[Amount], currency: str | None) -> Iterator[Candidate]:
    """Amounts after their label in one line; of several the last counts most, unless its currency is another one."""
    kind_of = classify_label(text[: amounts[0].start])
    if kind_of is None:
        return
    kind, weight = kind_of
    ours = [amount for amount in amounts if amount.currency in (None, currency) or currency is None] or amounts
    # In "117,80 EUR 132,10" the code belongs to what follows it: the first amount is ours.
    whole = [amount for amount in ours if not amount.is_partial]
    favourite = whole[0] if len(ours) < len(amounts) else whole[-1]
    for amount in ours:
        share = 1.0 if amount is favourite else 0.6
        yield Candidate(kind, amount.value, weight * share * (0.7 if amount.is_partial else 1))
    if len(whole) >= 3:
        for other, amount in zip(("untaxed", "tax", "total"), whole[-3:], strict=True):
            yield Candidate(other, amount.value, 0.3)  # type: ignore[arg-type]


def _from_lines_below(lines: list[Line], position: int) -> Iterator[Candidate]:
    """Values under their labels: a table's head over rows of amounts, or labels one a line over as many amounts."""
    heads = _labels_in(lines[position].text)
    if len(heads) >= 2:
        yield from _from_columns(heads, lines[position + 1 : position + 8])
    elif heads and not re.search(r"\d{3}", lines[position].text):
        yield from _from_stack(lines, position)


def _labels_in(text: str) -> list[tuple[Kind, float, int]]:
    """Labels in a table's head with the column where each one ends."""
    found: list[tuple[Kind, float, int]] = []
    if not re.search(r"[A-Za-z]{2}", text):
        return found
    for cell in re.finditer(r"\S+(?: \S+)*", text):
        kind_of = classify_label(cell[0]) if len(cell[0]) <= 40 else None
        if kind_of is not None and kind_of[1] >= 0.6 and "%" not in cell[0]:
            found.append((*kind_of, cell.end()))
    return found if len(found) >= 2 else _labels_in_words(text) or found


def _labels_in_words(text: str) -> list[tuple[Kind, float, int]]:
    """Labels of a head whose cells are one blank apart ("Net VAT Total"), where they make up most of the line."""
    found = find_labels(text)
    covered = sum(end - start for start, end, _, _ in found)
    if len({kind for _, _, kind, _ in found}) < 2 or covered < len(text.replace(" ", "")) * 0.6:
        return []
    # No column: where cells are that close, values are not aligned with their heads.
    return [(kind, weight, _NO_COLUMN) for _, _, kind, weight in found]


def _from_columns(heads: list[tuple[Kind, float, int]], below: list[Line]) -> Iterator[Candidate]:
    """Amounts under the heads, by their right edges, else by their order; the last row, the sum, counts most."""
    rows: list[list[Amount]] = []
    for line in below:
        amounts = [amount for amount in find_amounts(line.text) if _could_be_sum(amount) and not amount.is_partial]
        if not amounts or len(re.findall(r"[^\W\d_]{4,}", line.text)) > 2:
            break
        rows.append(amounts)
    for number, amounts in enumerate(rows, 1):
        share = 1.0 if number == len(rows) else 0.6
        for order, (kind, weight, end) in enumerate(heads):
            nearest = min(amounts, key=lambda amount: abs(amount.end - end))
            if abs(nearest.end - end) <= 4:
                yield Candidate(kind, nearest.value, weight * share * 0.9)
            elif len(amounts) == len(heads):
                yield Candidate(kind, amounts[order].value, weight * share * 0.8)


def _from_stack(lines: list[Line], position: int) -> Iterator[Candidate]:
    """The amount as far below its label as there are labels: "Net / VAT / Total / 100.00 / 20.00 / 120.00"."""
    first = position
    while first > max(0, position - _MOST_STACKED) and _is_label_alone(lines[first - 1].text):
        first -= 1
    last = position
    while last + 1 < min(len(lines), first + _MOST_STACKED) and _is_label_alone(lines[last + 1].text):
        last += 1
    target = last + 1 + (position - first)
    values = lines[last + 1 : target + 1]
    if len(values) != position - first + 1:
        return
    amounts = [[amount for amount in find_amounts(value.text) if not amount.is_partial] for value in values]
    kind_of = classify_label(lines[position].text)
    is_stack = all(
        found and not re.search(r"[^\W\d_]{4,}", value.text) for found, value in zip(amounts, values, strict=True)
    )
    if is_stack and kind_of is not None and _could_be_sum(amounts[-1][-1]):
        yield Candidate(kind_of[0], amounts[-1][-1].value, kind_of[1] * 0.85)


def _is_label_alone(text: str) -> bool:
    return (
        len(text) <= 60 and classify_label(text) is not None and not any(_could_be_sum(a) for a in find_amounts(text))
    )


def _from_tax_table(lines: list[Line]) -> Iterator[Candidate]:
    """Rows of a rate, a base and their product, in any language and order; the sums of all rows are candidates, and of
    those alone whose rate is written as one: "10 x 10.70   107.00" looks like a rate of ten."""
    rows = {row for line in lines if (row := _tax_row(line.text)) is not None}
    for chosen in (rows, {row for row in rows if row.is_percent}):
        if chosen:
            yield Candidate("untaxed", sum((row.base for row in chosen), Decimal()), 0.6)
            yield Candidate("tax", sum((row.tax for row in chosen), Decimal()), 0.6)


@dataclass(frozen=True)
class _TaxRow:
    rate: Decimal
    base: Decimal
    tax: Decimal
    is_percent: bool


def _tax_row(text: str) -> _TaxRow | None:
    amounts = [amount.value for amount in islice(find_amounts(text), 8)]
    rates = re.findall(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,3})?)(?:\s?(%)|\s)", text)[:6]
    for written, sign in sorted(rates, key=lambda found: not found[1]):
        rate = Decimal(written.replace(",", "."))
        for base, tax in product(amounts, amounts):
            # A row whose tax is nothing proves nothing.
            if 0 < rate <= 30 and tax and abs(base * rate / 100 - tax) <= _CENT:
                return _TaxRow(rate, base, tax, bool(sign))
    return None


def _best(candidates: Iterator[Candidate]) -> dict[Kind, list[tuple[Decimal, float]]]:
    """The heaviest candidates of each kind; a value found again gains a little."""
    weights: dict[Kind, dict[Decimal, float]] = {"untaxed": {}, "tax": {}, "total": {}}
    for candidate in islice(candidates, 5000):
        of_kind = weights[candidate.kind]
        known = of_kind.get(candidate.value)
        of_kind[candidate.value] = candidate.weight if known is None else max(known, candidate.weight) + 0.02
    return {
        kind: sorted(of_kind.items(), key=lambda item: -item[1])[:_MOST_CANDIDATES] for kind, of_kind in weights.items()
    }


def _choose(candidates: dict[Kind, list[tuple[Decimal, float]]], is_exempt: bool) -> _Choice:
    """The combination with the highest score. Cases, from the strongest: three that add up; untaxed and total, the tax
    being their difference; total and tax; one alone.

    Example: totals 595.00 (1.0) and 500.00 (.4), untaxed 500.00 (1.0), tax 95.00 (1.0): the first adds up, score 4.
    """
    choices = [_alone(candidates, is_exempt)]
    parts = _sums_of_parts([tax for tax, _ in candidates["tax"][:5]])
    for (untaxed, w_untaxed), (total, w_total) in product(candidates["untaxed"], candidates["total"]):
        for tax, w_tax in candidates["tax"]:
            if abs(untaxed + tax - total) <= _CENT and (tax or untaxed):
                sure = 0.97 if min(w_untaxed, w_total, w_tax) >= 0.55 else 0.9
                choices.append(_build_choice(untaxed, tax, total, w_untaxed + w_total + w_tax + 1, sure))
        if abs(total - untaxed) in parts:
            choices.append(_build_choice(untaxed, total - untaxed, total, w_untaxed + w_total + 1.5, 0.9))
        # One printed tax that does not fit is an error of the invoice, for the checks to tell.
        elif len(candidates["tax"]) != 1 and 0 <= abs(total) - abs(untaxed) <= abs(untaxed) * _HIGHEST_RATE:
            choices.append(_difference(untaxed, w_untaxed, total, w_total, bool(candidates["tax"]), is_exempt))
    return max(choices, key=lambda choice: choice.score)


def _build_choice(untaxed: Decimal, tax: Decimal, total: Decimal, score: float, sure: float) -> _Choice:
    return _Choice(untaxed, tax, total, score, {"untaxed": sure, "tax": sure, "total": sure})


def _sums_of_parts(taxes: list[Decimal]) -> set[Decimal]:
    """What two or more of the taxes come to: "7 %: 7.00" and "19 %: 38.00" are parts of 45.00."""
    return {abs(sum(chosen, Decimal())) for count in range(2, len(taxes) + 1) for chosen in combinations(taxes, count)}


def _difference(
    untaxed: Decimal, w_untaxed: float, total: Decimal, w_total: float, has_tax_label: bool, is_exempt: bool
) -> _Choice:
    """Untaxed and total without a printed tax: right where they are equal and no tax is due, else a guess."""
    if untaxed == total:
        score = w_untaxed + w_total + (0.3 if is_exempt else 0)
        return _build_choice(untaxed, Decimal(), total, score, 0.85 if is_exempt else 0.6)
    return _build_choice(untaxed, total - untaxed, total, w_untaxed + w_total, 0.6 if has_tax_label else 0.75)


def _alone(candidates: dict[Kind, list[tuple[Decimal, float]]], is_exempt: bool) -> _Choice:
    values: dict[Kind, Decimal | None] = {"untaxed": None, "tax": None, "total": None}
    confidence: dict[Kind, float] = {}
    score = 0.0
    for kind, found in candidates.items():
        if found:
            values[kind], weight = found[0]
            confidence[kind] = 0.75 if weight >= 0.8 else 0.6
            score = max(score, weight)
    total, tax, untaxed = values["total"], values["tax"], values["untaxed"]
    if total is not None and tax is not None and untaxed is None and abs(tax) < abs(total):
        values["untaxed"], confidence["untaxed"] = total - tax, 0.7
    elif total is not None and is_exempt and untaxed is None and tax is None:
        values["untaxed"], values["tax"] = total, Decimal()
        confidence["untaxed"] = confidence["tax"] = 0.7
    return _Choice(values["untaxed"], values["tax"], values["total"], score, confidence)
