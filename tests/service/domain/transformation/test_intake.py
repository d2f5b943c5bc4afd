"""What is sent and refused before anything is read: addresses, wrong shapes, too much."""

from typing import Any

import pytest

from service.domain.transformation import Limits, TransformationError, check_request, transform
from tests.service.domain.transformation.sending import csv_source

TARGET = {"format": "json"}


def refused(source: object, target: object = TARGET, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(TransformationError) as caught:
        transform(source, target, limits or Limits())
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/rows.csv",
        "HTTP://127.0.0.1",
        "file:///etc/passwd",
        "s3://bucket/rows.csv",
        "gs://bucket/x",
        "/etc/passwd",
        "../rows.csv",
        "~/rows.csv",
        "C:\\rows.csv",
        "\\\\server\\share\\rows.xlsx",
        " /etc/passwd\n",
    ],
)
@pytest.mark.parametrize("field", ["content", "content_base64"])
def test_no_address_is_read(address: str, field: str) -> None:
    assert refused({field: address, "format": "csv"})[0] == "not_content"
    with pytest.raises(TransformationError, match="No URL and no file path"):
        check_request({field: address, "format": "csv"}, TARGET)


@pytest.mark.parametrize("key", ["url", "path", "file", "URI"])
def test_no_field_for_an_address(key: str) -> None:
    assert refused({key: "x", "format": "csv"})[0] == "not_content"
    assert refused(csv_source("a\n1\n"), {"format": "csv", key: "x"})[0] == "not_content"
    assert refused("https://127.0.0.1/rows.csv")[0] == "not_content"


@pytest.mark.parametrize("text", ["a/b\n1/2\n", "path\n/etc/passwd\n", "link,n\nhttps://127.0.0.1/,1\n"])
def test_a_table_may_hold_addresses(text: str) -> None:
    assert transform(csv_source(text), TARGET)["rows_written"] == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "source must be an object"),
        ({"format": "csv"}, "neither content nor content_base64"),
        ({"content": "a", "content_base64": "YQ==", "format": "csv"}, "both content and content_base64"),
        ({"content": "a"}, "source.format is one of csv, json, xlsx, not 'None'"),
        ({"content": "a", "format": "xls"}, "not 'xls'"),
        ({"content": 5, "format": "csv"}, "not int"),
        ({"content": [{}], "format": "csv"}, "not list"),
        ({"content": "PK", "format": "xlsx"}, "send it as content_base64"),
        ({"content": "a", "format": "csv", "options": {"delimeter": ";"}}, "does not know 'delimeter'"),
        ({"content": "a", "format": "csv", "options": {"delimiter": "x"}}, "options.delimiter is one of"),
        ({"content": "a", "format": "csv", "options": {"header": 1}}, "options.header is one of"),
        ({"content": "a", "format": "csv", "options": {"locale": "es"}}, "'de', 'en', 'en-GB'"),
        ({"content": "a", "format": "csv", "formt": 1}, "does not know 'formt'"),
    ],
)
def test_a_source_of_a_wrong_shape(source: Any, words: str) -> None:
    code, message = refused(source)
    assert (code, words in message) == ("invalid_input", True), message
    with pytest.raises(TransformationError):
        check_request(source, TARGET)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("csv", "target must be an object"),
        ({"format": "pdf"}, "target.format is one of"),
        ({"format": "csv", "columns": []}, "target.columns is a list"),
        ({"format": "csv", "columns": ["a"]}, "target.columns[0] must be an object"),
        ({"format": "csv", "columns": [{"type": "text"}]}, "names its column"),
        ({"format": "csv", "columns": [{"from": "a", "type": "money"}]}, "type is one of boolean, date"),
        ({"format": "csv", "columns": [{"from": "a"}, {"from": "b", "to": "a"}]}, "names 'a' twice"),
        ({"format": "csv", "columns": [{"from": "a", "required": "yes"}]}, "required is true or false"),
        ({"format": "csv", "columns": [{"from": "a", "locale": "xx"}]}, "locale is one of"),
        ({"format": "json", "options": {"delimiter": ";"}}, "does not know 'delimiter'"),
        ({"format": "xlsx", "options": {"sheet": 1}}, "is a sheet's name"),
    ],
)
def test_a_target_of_a_wrong_shape(target: Any, words: str) -> None:
    code, message = refused(csv_source("a,b\n1,2\n"), target)
    assert (code, words in message) == ("invalid_input", True), message


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("a\n" * 50, Limits(content_bytes=99), "larger than 0 MB"),
        ("a\n" * 5, Limits(rows=3), "more than 3 rows"),
        ("a,b,c\n", Limits(columns=2), "more than 2 columns"),
        ("a,b\n" * 10, Limits(cells=10), "more than 10 cells"),
        ("a\n" * 50, Limits(result_bytes=20), "result is larger"),
        ("a,b\n1,2\n3,4\n", Limits(columns=1), "more than 1 columns"),
    ],
)
def test_too_much(text: str, limits: Limits, words: str) -> None:
    code, message = refused(csv_source(text), TARGET, limits)
    assert (code, words in message) == ("too_large", True), message


def test_a_target_of_too_many_columns_is_refused_before_they_are_looked_at() -> None:
    columns = [{"from": "a"}, *({"type": "money"} for _ in range(500))]
    code, message = refused(csv_source("a\n1\n"), {"format": "csv", "columns": columns})
    assert (code, "more than 500 columns" in message) == ("too_large", True), message


@pytest.mark.parametrize("content", ["", " \n"])
def test_nothing(content: str) -> None:
    assert refused({"content": content, "format": "csv"})[0] == "empty"


def test_base64_that_is_none() -> None:
    assert refused({"content_base64": "YQ=", "format": "csv"})[0] == "invalid_base64"


def test_half_a_character_is_refused() -> None:
    assert refused({"content": "a\n\ud800\n", "format": "csv"})[0] == "encoding"
