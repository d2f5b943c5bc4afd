"""Turns CSV, JSON and XLSX into each other: pure, no network, no file, no store.

`transform` runs all steps; a worker that reports progress drives `transformation_steps` itself. The way of a table:
intake → csv_format | json_format | xlsx_format → mapping (notations, values) → a format → result.

    source = {"content": text | "content_base64": data,            JSON may also be sent as a list of objects
              "format": "csv" | "json" | "xlsx",                   json: a list of objects, or an object a line
              "options": {"encoding": "utf-8" | "utf-16" | "latin-1" | "windows-1252",  default: told by its bytes
                          "delimiter": "," | ";" | "\\t" | "|",    default: told by the rows
                          "header": bool, "sheet": name,           default: true, the first
                          "locale": "de" | "fr" | "it" | "en" | "en-GB" | "en-US", "date_order": "dmy" | "mdy" | "ymd"}}
    target = {"format": …,
              "columns": [{"from": "Betrag", "to": "amount", "type": "decimal", "required": true,
                           "locale": "de", "date_order": "dmy"}],  default: all, as they are
              "options": csv: encoding, delimiter, header, locale, bom; json: lines; xlsx: sheet, header}

Types: text, integer, decimal, boolean, date, datetime; without one a value stays what it is (CSV: text).
A row that cannot be transformed comes back in `rejected` with its values and reasons; nothing is dropped in silence.
"""

from service.domain.transformation.model import DEFAULT_LIMITS, Limits, TransformationError
from service.domain.transformation.transforming import STEPS, check_request, transform, transformation_steps

__all__ = [
    "DEFAULT_LIMITS",
    "STEPS",
    "Limits",
    "TransformationError",
    "check_request",
    "transform",
    "transformation_steps",
]
