"""Short ways to send a source and to look at what came back."""

import base64
import io
import json
import zipfile
from datetime import date
from typing import Any

import openpyxl

from service.domain.transformation import transform

Result = dict[str, Any]


def csv_source(text: str, **options: Any) -> Result:
    return {"content": text, "format": "csv", "options": options}


def bytes_source(data: bytes, kind: str, **options: Any) -> Result:
    return {"content_base64": base64.b64encode(data).decode(), "format": kind, "options": options}


def read_back(result: Result) -> Any:
    """What a JSON result holds."""
    return json.loads(result["content"])


def to_json(source: Result, *columns: Result) -> Result:
    return transform(source, {"format": "json", "columns": [*columns] or None})


def binary(result: Result) -> bytes:
    return base64.b64decode(result["content_base64"])


def workbook(*sheets: list[list[Any]]) -> bytes:
    """An XLSX file as somebody else makes it: cells as openpyxl understands them, formulas too."""
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet: Any = book.worksheets[0] if number == 0 else book.create_sheet(f"Sheet{number + 1}")
        for row in rows:
            sheet.append(row)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def archive(parts: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return output.getvalue()


def codes(result: Result) -> list[str]:
    return [finding["code"] for finding in result["findings"]]


def problems(result: Result) -> list[tuple[int, str | None, str]]:
    return [
        (row["row"], problem["column"], problem["code"]) for row in result["rejected"] for problem in row["problems"]
    ]


DAY = date(2024, 5, 12)
