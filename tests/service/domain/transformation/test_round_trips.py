"""What goes from one format into another and back is what it was, and every row is accounted for."""

import base64
import csv
import io
import json
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.transformation import TransformationError, transform
from tests.service.domain.transformation.sending import DAY, archive, bytes_source, workbook

Rows = list[dict[str, Any]]
TYPES = {"id": "integer", "amount": "decimal", "day": "date", "at": "datetime", "paid": "boolean", "note": "text"}
COLUMNS: list[dict[str, str]] = [{"from": name, "to": name, "type": kind} for name, kind in TYPES.items()]

# What XLSX and CSV can both hold: no control characters, and some text, since no table has an empty one.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\n\"';,=+-@"),
    min_size=1,
    max_size=20,
)
values: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(-(10**15) + 1, 10**15 - 1),
    "amount": st.none() | st.decimals(-(10**9), 10**9, places=2).map(str),
    "day": st.none() | st.dates().map(date.isoformat),
    "at": st.none() | st.datetimes().map(datetime.isoformat),
    "paid": st.none() | st.booleans(),
    "note": st.none() | texts,
}
rows_of_values = st.lists(st.fixed_dictionaries(values), min_size=1, max_size=8)


def through(rows: Rows, middle: str) -> tuple[Rows, dict[str, Any]]:
    """`rows` from JSON into `middle` and back, by types."""
    there = transform({"content": json.dumps(rows), "format": "json"}, {"format": middle, "columns": COLUMNS})
    assert there["rows_written"] == len(rows)
    source = {key: there[key] for key in ("format", "content", "content_base64") if key in there}
    back = transform(source, {"format": "json", "columns": COLUMNS})
    assert (back["rows_written"], back["rejected"]) == (len(rows), [])
    return json.loads(back["content"], parse_float=Decimal), there


def comparable(rows: Rows) -> Rows:
    """Rows with amounts as numbers and times with seconds, as they are written."""
    return [
        {
            **row,
            "amount": None if row["amount"] is None else Decimal(str(row["amount"])),
            "at": None if row["at"] is None else datetime.fromisoformat(row["at"]),
        }
        for row in rows
    ]


@settings(max_examples=80)
@given(rows_of_values)
def test_json_xlsx_json(rows: Rows) -> None:
    back, _ = through(rows, "xlsx")
    assert comparable(back) == comparable(rows)


@settings(max_examples=80)
@given(rows_of_values)
def test_json_csv_json(rows: Rows) -> None:
    back, there = through(rows, "csv")
    if any(finding["code"] == "formula_neutralised" for finding in there["findings"]):
        back = [
            {
                **row,
                "note": row["note"].removeprefix("'") if row["note"] and before["note"] != row["note"] else row["note"],
            }
            for row, before in zip(back, rows, strict=True)
        ]
    assert comparable(back) == comparable([{**row, "note": row["note"]} for row in rows])


@settings(max_examples=60)
@given(rows_of_values, st.sampled_from(["de", "fr", "it", "en-GB", "en-US"]))
def test_a_locale_that_is_written_is_read(rows: Rows, locale: str) -> None:
    there = transform(
        {"content": json.dumps(rows), "format": "json"},
        {"format": "csv", "columns": COLUMNS[:4], "options": {"locale": locale}},
    )
    source = {"content": there["content"], "format": "csv", "options": {"locale": locale}}
    back = transform(source, {"format": "json", "columns": COLUMNS[:4]})
    assert back["rejected"] == []
    expected = [{name: value for name, value in row.items() if name in ("id", "day")} for row in rows]
    assert [{"id": row["id"], "day": row["day"]} for row in json.loads(back["content"])] == expected


@settings(max_examples=80)
@given(st.lists(st.lists(texts.filter(str.strip), min_size=3, max_size=3), min_size=1, max_size=6))
def test_text_without_types_survives_all_three(cells: list[list[str]]) -> None:
    output = io.StringIO()
    csv.writer(output).writerows([["first", "second", "third"], *cells])
    xlsx = transform({"content": output.getvalue(), "format": "csv", "options": {"delimiter": ","}}, {"format": "xlsx"})
    back = transform({"content_base64": xlsx["content_base64"], "format": "xlsx"}, {"format": "json"})
    assert [list(row.values()) for row in json.loads(back["content"])] == cells


@settings(max_examples=150)
@given(st.text(max_size=200) | st.binary(max_size=200), st.sampled_from(["csv", "json", "xlsx"]))
def test_whatever_is_sent_ends_in_a_result_or_in_one_clear_error(content: str | bytes, kind: str) -> None:
    field = {"content": content} if isinstance(content, str) else {"content_base64": base64.b64encode(content).decode()}
    assert_is_accounted_for({**field, "format": kind})


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_xlsx_ends_in_a_result_or_in_one_clear_error(data: st.DataObject) -> None:
    sound = workbook([["a", "b"], [1, "=A2"], ["x", DAY]])
    with zipfile.ZipFile(io.BytesIO(sound)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    at = data.draw(st.integers(0, len(parts[name]) - 1))
    damage = data.draw(st.binary(max_size=6) | st.sampled_from([b"9" * 30, b"-1", b"<", b'"', b"</c>", b"NaN"]))
    parts[name] = parts[name][:at] + damage + parts[name][at + len(damage) :]
    assert_is_accounted_for(bytes_source(archive(parts), "xlsx"))


def assert_is_accounted_for(source: dict[str, Any]) -> None:
    try:
        result = transform(source, {"format": "xlsx"})
    except TransformationError:
        return
    assert result["rows_read"] == result["rows_written"] + result["rows_rejected"] + result["blank_rows"]
