"""Each format's own dangers: encodings, delimiters, quotes, exact numbers, formulas, bombs."""

import io
import json
import zipfile
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest

from service.domain.transformation import Limits, TransformationError, transform, transformation_steps
from service.domain.transformation.csv_format import sniff_delimiter
from service.domain.transformation.formulas import is_formula
from tests.service.domain.transformation.sending import (
    DAY,
    archive,
    binary,
    bytes_source,
    codes,
    csv_source,
    problems,
    read_back,
    to_json,
    workbook,
)

JSON = {"format": "json"}


def refused(source: Any, target: Any = None, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(TransformationError) as caught:
        transform(source, target or JSON, limits or Limits())
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("data", "findings"),
    [
        pytest.param("größe;né\n5 €;à\n".encode(), [], id="utf-8"),
        pytest.param("größe;né\n5 €;à\n".encode("utf-8-sig"), [], id="utf-8-mark"),
        pytest.param("größe;né\n5 €;à\n".encode("utf-16"), [], id="utf-16-mark"),
        pytest.param("größe;né\n5 €;à\n".encode("utf-32"), [], id="utf-32-mark"),
        pytest.param("größe;né\n5 €;à\n".encode("utf-16-le"), ["encoding_guessed"], id="utf-16-le"),
        pytest.param("größe;né\n5 €;à\n".encode("utf-16-be"), ["encoding_guessed"], id="utf-16-be"),
        pytest.param("größe;né\n5 €;à\n".encode("cp1252"), ["encoding_guessed"], id="windows"),
    ],
)
def test_encodings_are_told_by_their_bytes(data: bytes, findings: list[str]) -> None:
    result = to_json(bytes_source(data, "csv"))
    assert read_back(result) == [{"größe": "5 €", "né": "à"}]
    assert codes(result) == findings


def test_an_encoding_that_was_named_is_kept_to() -> None:
    code, message = refused(bytes_source(b"a\n\xe4\n", "csv", encoding="utf-8"))
    assert (code, message) == ("encoding", "Byte 3 (line 2) is not utf-8: invalid continuation byte.")
    assert read_back(to_json(bytes_source(b"a\n\xe4\n", "csv", encoding="latin-1"))) == [{"a": "ä"}]
    assert refused(bytes_source(bytes(range(256)), "csv"))[0] == "encoding"


def test_a_file_is_written_in_the_encoding_that_was_asked_for() -> None:
    source = csv_source("a,b\nä,€\n")
    written = transform(source, {"format": "csv", "options": {"encoding": "windows-1252"}})
    assert binary(written) == b"a,b\r\n\xe4,\x80\r\n"
    marked = transform(source, {"format": "csv", "options": {"bom": True}})
    assert marked["content"].startswith("\ufeffa,b")
    assert refused(source, {"format": "csv", "options": {"encoding": "latin-1"}}) == (
        "encoding",
        "row 2, column 'b': '€' does not exist in latin-1.",
    )


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2,5\n", ";"),
        ("a,b\n1,2\n", ","),
        ("a\tb\n1,5\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("date;text, more;n\n1;a, b;2\n2;c;3\n", ";"),
        ('"a;b",c\n"1;2",3\n', ","),
        ("alone\n1\n", ","),
    ],
)
def test_delimiters_are_told_by_the_rows(text: str, delimiter: str) -> None:
    assert sniff_delimiter(text) == delimiter


def test_the_first_line_of_excel_names_the_delimiter() -> None:
    result = to_json(csv_source("sep=|\na|b\n1|2\n1|2|3\n"))
    assert read_back(result) == [{"a": "1", "b": "2"}]
    assert problems(result) == [(4, None, "too_many_values")]
    assert result["rejected"][0]["extra_values"] == ["3"]


def test_quoted_cells() -> None:
    assert read_back(to_json(csv_source('a,b\n"x ""y"", z","1\n2"\n'))) == [{"a": 'x "y", z', "b": "1\n2"}]
    assert refused(csv_source('a,b\n1,"2\n3,4\n'))[1].startswith("Row 2 (line 3) is no CSV")
    assert refused(csv_source("a\n" + "x" * 140_000))[0] == "broken"


def test_without_a_header_columns_are_counted() -> None:
    assert read_back(to_json(csv_source("1,2\n3,4\n", header=False))) == [
        {"column_1": "1", "column_2": "2"},
        {"column_1": "3", "column_2": "4"},
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd()", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "-abc"]
)
def test_formulas_are_neutralised_and_told(text: str) -> None:
    source = {"content": [{"n": 1, "text": text}], "format": "json"}
    written = transform(source, {"format": "csv"})
    assert f"'{text}" in written["content"]
    assert codes(written) == ["formula_neutralised"]
    assert "row 1, column 'text'" in written["findings"][0]["message"]
    sheet = transform(source, {"format": "xlsx"})
    assert codes(sheet) == ["formula_neutralised"]
    cell: Any = openpyxl.load_workbook(io.BytesIO(binary(sheet))).worksheets[0]["B2"]
    assert (cell.data_type, cell.quotePrefix) == ("s", True)
    assert transform(source, JSON)["findings"] == []


@pytest.mark.parametrize("text", ["-5", "-5,00", "+49 30 1234", "a=b", "1-2", "-"])
def test_what_calls_nothing_stays(text: str) -> None:
    assert not is_formula(text)


def test_a_header_is_neutralised_too() -> None:
    result = transform({"content": [{"=x": 1}], "format": "json"}, {"format": "csv"})
    assert result["content"] == "'=x\r\n1\r\n"
    assert "row 1, column '=x'" in result["findings"][0]["message"]


def test_json_keeps_every_digit() -> None:
    text = '[{"a": 0.1000000000000000055, "b": 123456789012345678901234567890, "c": 1e400}]'
    written = transform({"content": text, "format": "json"}, JSON)["content"]
    assert '"a":0.1000000000000000055,"b":123456789012345678901234567890,"c":1E+400' in written


def test_json_lines_count_lines() -> None:
    result = to_json({"content": '{"a": 1}\n\n{"a": 2}\n[3]\n', "format": "json"}, {"from": "a", "type": "integer"})
    assert read_back(result) == [{"a": 1}, {"a": 2}]
    assert problems(result) == [(4, None, "not_an_object")]
    assert result["rejected"][0]["extra_values"] == [[3]]
    lines = transform(
        {"content": [{"a": 1}, {"b": 2}], "format": "json"}, {"format": "json", "options": {"lines": True}}
    )
    assert lines["content"] == '{"a":1,"b":null}\n{"a":null,"b":2}\n'
    assert codes(lines) == ["missing_keys"]


def test_an_object_over_several_lines_is_one_row() -> None:
    assert read_back(to_json({"content": '{\n"a": 1,\n"b": {"c": 2}\n}', "format": "json"})) == [
        {"a": 1, "b": {"c": 2}}
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{", "Line 1, column 3: no JSON"),
        ('{"a": 1}\n{"a": \n', "Line 2"),
        ('[{"a": 1, "a": 2}]', "holds the key 'a' twice"),
        ('[{"a": NaN}]', "NaN is no number"),
        ("[" * 100_000, "nests too deep"),
        ('"text"', "The content is text"),
        ("5", "The content is a number"),
        ("[]", "holds no row"),
        ('[{"a": ' + "9" * 5000 + "}]", "Exceeds the limit"),
    ],
)
def test_broken_json(text: str, words: str) -> None:
    assert words in refused({"content": text, "format": "json"})[1]


def test_nested_values_become_json_text_in_tables() -> None:
    result = transform({"content": [{"a": {"b": [1.5]}, "c": ""}], "format": "json"}, {"format": "csv"})
    assert result["content"] == 'a,c\r\n"{""b"": [1.5]}",\r\n'
    assert codes(result) == ["nested_as_json", "empty_text"]


def test_what_no_file_holds_is_a_problem_of_its_row() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    result = to_json({"content": [{"a": deep}, {"a": 1}], "format": "json"})
    assert problems(result) == [(1, "a", "too_deep")]
    assert problems(to_json({"content": '[{"a": "\\ud800"}, {"a": 1}]', "format": "json"})) == [(1, "a", "not_unicode")]


def test_xlsx_is_read_by_its_types() -> None:
    data = workbook(
        [["a", "b", "c", "d", "e"], [1, 2.5, DAY, datetime(2024, 5, 12, 8, 30), True], ["x", None, None, None, 0]]
    )
    assert read_back(to_json(bytes_source(data, "xlsx"))) == [
        {"a": 1, "b": 2.5, "c": "2024-05-12", "d": "2024-05-12T08:30:00", "e": True},
        {"a": "x", "b": None, "c": None, "d": None, "e": 0},
    ]


def test_one_sheet_is_read_and_the_others_are_told() -> None:
    data = workbook([["a"], [1]], [["b"], [2]])
    assert codes(to_json(bytes_source(data, "xlsx"))) == ["other_sheets"]
    assert read_back(to_json(bytes_source(data, "xlsx", sheet="Sheet2"))) == [{"b": 2}]
    assert refused(bytes_source(data, "xlsx", sheet="Nope")) == (
        "unknown_sheet",
        "There is no sheet 'Nope'. There is: 'Sheet', 'Sheet2'.",
    )


def test_a_formula_without_a_stored_value_is_a_problem_and_no_empty_cell() -> None:
    result = to_json(bytes_source(workbook([["a", "b"], [1, "=A2*2"], [2, 3]]), "xlsx"))
    assert read_back(result) == [{"a": 2, "b": 3}]
    assert problems(result) == [(2, "b", "formula_without_value")]


def test_an_error_in_a_cell_is_a_problem() -> None:
    result = to_json(bytes_source(workbook([["a"], ["#DIV/0!"], [2]]), "xlsx"))
    assert problems(result) == [(2, "a", "spreadsheet_error")]


def test_what_xlsx_cannot_hold() -> None:
    rows = [
        {"a": "bell\x07"},
        {"a": "x" * 32_768},
        {"a": 123456789012345678},
        {"a": "fine"},
    ]
    result = transform({"content": rows, "format": "json"}, {"format": "xlsx"})
    assert problems(result) == [(1, "a", "control_character"), (2, "a", "too_long")]
    assert codes(result) == ["as_text"]
    assert read_back(to_json(bytes_source(binary(result), "xlsx"))) == [{"a": "123456789012345678"}, {"a": "fine"}]
    assert (result["rows_read"], result["rows_written"]) == (4, 2)


def test_old_dates_are_written_as_text() -> None:
    columns = [{"from": "day", "type": "date"}]
    source = csv_source("day\n1899-12-31\n2024-05-12\n")
    result = transform(source, {"format": "xlsx", "columns": columns})
    sheet: Any = openpyxl.load_workbook(io.BytesIO(binary(result))).worksheets[0]
    assert sheet["A2"].value == "1899-12-31"
    assert sheet["A3"].value.date() == date(2024, 5, 12)


def replaced(data: bytes, name: str, content: bytes) -> bytes:
    """An XLSX file with one of its parts replaced."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return archive({part: content if part == name else file.read(part) for part in file.namelist()})


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = archive({"[Content_Types].xml": b"", "xl/worksheets/sheet1.xml": b"\x00" * (65 * 1024 * 1024)})
    assert len(bomb) < 100_000
    assert refused(bytes_source(bomb, "xlsx"))[0] == "too_large"
    many = archive({f"part{number}": b"" for number in range(1_001)})
    assert refused(bytes_source(many, "xlsx"))[0] == "too_large"


def test_entities_are_not_expanded() -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet><sheetData>&b;</sheetData></worksheet>'
    data = replaced(workbook([["a"], [1]]), "xl/worksheets/sheet1.xml", laughs)
    assert refused(bytes_source(data, "xlsx"))[0] == "broken"


def test_rows_of_empty_cells_are_bounded() -> None:
    rows = "".join(f'<row r="{number}"><c r="XFD{number}"/></row>' for number in range(1, 11))
    xml = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>'
    data = replaced(workbook([["a"], [1]]), "xl/worksheets/sheet1.xml", xml.encode())
    code, message = refused(bytes_source(data, "xlsx"), limits=Limits(cells=10_000))
    assert (code, "empty columns" in message) == ("too_large", True), message


@pytest.mark.parametrize(("cell", "words"), [("A1048576", "rows"), ("XFD2", "columns")])
def test_a_cell_far_away_costs_nothing(cell: str, words: str) -> None:
    number = cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    xml = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/>'
        f'<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="{number}"><c r="{cell}"><v>1</v></c></row>'
        "</sheetData></worksheet>"
    )
    data = replaced(workbook([["a"], [1]]), "xl/worksheets/sheet1.xml", xml.encode())
    code, message = refused(bytes_source(data, "xlsx"))
    assert (code, words in message) == ("too_large", True)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\xd0\xcf\x11\xe0 old or encrypted", "encrypted", id="ole"),
        pytest.param(b"no archive", "broken", id="text"),
        pytest.param(archive({"a": b"b"}), "broken", id="another-archive"),
        pytest.param(archive({"[Content_Types].xml": b"<x/>"}), "broken", id="empty-office-file"),
        pytest.param(workbook([["a"], [1]])[:-200], "broken", id="cut"),
        pytest.param(workbook([]), "empty", id="no-cell"),
    ],
)
def test_broken_xlsx(data: bytes, code: str) -> None:
    assert refused(bytes_source(data, "xlsx"))[0] == code


def test_a_result_is_json_and_its_steps_grow_to_a_hundred() -> None:
    steps = transformation_steps(csv_source("a;b\n1;=2\n1;2;3\n"), {"format": "xlsx"})
    percents = []
    while True:
        try:
            percents.append(next(steps)[1])
        except StopIteration as end:
            result = end.value
            break
    assert percents == [40, 60, 90, 100]
    assert json.loads(json.dumps(result)) == result
