"""Documents in the shape in which they are sent."""

from __future__ import annotations

import base64
from typing import Any

from service.domain.documents import analyse


def as_base64(data: bytes, mime: str | None = "application/pdf") -> dict[str, object]:
    encoded: dict[str, object] = {"content_base64": base64.b64encode(data).decode()}
    return encoded if mime is None else {**encoded, "mime": mime}


def read_values(document_data: dict[str, object]) -> dict[str, str | None]:
    """The values that the analysis finds, by field."""
    result: dict[str, Any] = analyse(document_data, "job")
    return {name: field["value"] for name, field in result["fields"].items()}
