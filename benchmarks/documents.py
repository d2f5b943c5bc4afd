"""Measures document analysis on a folder of real invoices: `python -m benchmarks.documents FOLDER [--text-only]`.

FOLDER holds documents and a truth.json: {file name: {field: value or null}}. Printed: right or wrong per file and
field, the share that is right, how well the confidence predicts it, and the time each document took. `--min-percent N`
makes the exit code tell whether the goal was met.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from service.domain.documents import (
    FIELD_NAMES,
    DocumentError,
    Field,
    extract_text,
    load_document,
    read_fields,
)

_AMOUNTS = ("total", "untaxed", "tax")
_NUMBERS = ("iban", "vat")
_NAMES = ("seller", "buyer")
_BUCKETS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)


@dataclass(frozen=True)
class Outcome:
    """One field of one document: what was read, what is right."""

    file: str
    name: str
    field: Field
    truth: str | None

    @property
    def is_right(self) -> bool:
        return normalise(self.name, self.field.value) == normalise(self.name, self.truth)


def normalise(name: str, value: str | None) -> object:
    """`value` in the form in which it is compared: amounts to cents, names by their words, numbers without blanks."""
    if value is None:
        return None
    if name in _AMOUNTS:
        try:
            return Decimal(value).quantize(Decimal("0.01"))
        except InvalidOperation:
            return value
    if name in _NAMES:
        return value.lower().split()
    return "".join(value.split()).upper() if name in _NUMBERS else value.strip()


def measure(folder: Path, text_only: bool) -> tuple[list[Outcome], dict[str, float]]:
    """All outcomes, and the milliseconds for each file."""
    truth: Mapping[str, Mapping[str, str | None]] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    outcomes: list[Outcome] = []
    times: dict[str, float] = {}
    for file, expected in sorted(truth.items()):
        started = time.perf_counter()
        fields = read_file(folder / file, text_only)
        times[file] = (time.perf_counter() - started) * 1000
        outcomes += [Outcome(file, name, fields.get(name, Field()), value) for name, value in expected.items()]
    return outcomes, times


def read_file(path: Path, text_only: bool) -> Mapping[str, Field]:
    """The fields of one document; none where it cannot be read."""
    try:
        document = load_document({"content_base64": base64.b64encode(path.read_bytes()).decode()})
        extracted = extract_text(document)
        if text_only:
            extracted = replace(extracted, xml=None)
        return read_fields(extracted).by_name
    except DocumentError as error:
        print(f"{path.name}: {error.code}: {error}", file=sys.stderr)
        return {}


def percent(outcomes: list[Outcome]) -> float:
    return 100 * sum(outcome.is_right for outcome in outcomes) / len(outcomes) if outcomes else 0.0


def report(outcomes: list[Outcome], times: dict[str, float]) -> str:
    """The tables that are printed."""
    rows = ["per file" + " " * 42 + "  right        ms"]
    for file, spent_ms in times.items():
        of_file = [outcome for outcome in outcomes if outcome.file == file]
        rows.append(f"  {file[-46:]:<46}  {sum(o.is_right for o in of_file):>2}/{len(of_file):<2}  {spent_ms:>8.1f}")
    rows += ["", "per field"]
    for name in FIELD_NAMES:
        of_field = [outcome for outcome in outcomes if outcome.name == name]
        rows.append(f"  {name:<16} {percent(of_field):5.1f} %")
    rows += ["", "wrong"]
    for o in outcomes:
        if not o.is_right:
            rows.append(f"  {o.file[-46:]:<46} {o.name:<15} {o.field.value!r} ({o.field.confidence}) not {o.truth!r}")
    rows += ["", "confidence of values    found  right"]
    found = [outcome for outcome in outcomes if outcome.field.value is not None]
    for low, high in pairwise(_BUCKETS):
        bucket = [outcome for outcome in found if low <= outcome.field.confidence < high]
        if bucket:
            mean = sum(outcome.field.confidence for outcome in bucket) / len(bucket)
            rows.append(f"  {low:.2f}-{min(high, 1):.2f} (mean {mean:.2f})  {len(bucket):>5}  {percent(bucket):5.1f} %")
    slowest = max(times.values(), default=0.0)
    rows += ["", f"overall {percent(outcomes):.1f} % of {len(outcomes)} fields, slowest document {slowest:.0f} ms"]
    return "\n".join(rows)


def main() -> int:
    """0 where the share that is right reaches `--min-percent`, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text-only", action="store_true", help="leave embedded XML out")
    parser.add_argument("--min-percent", type=float, default=0.0)
    arguments = parser.parse_args()
    outcomes, times = measure(arguments.folder, arguments.text_only)
    print(report(outcomes, times))
    return 0 if percent(outcomes) >= arguments.min_percent else 1


if __name__ == "__main__":
    sys.exit(main())
