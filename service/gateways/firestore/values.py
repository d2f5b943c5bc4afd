"""Firestore's values as Python's, and back. Works on the protocol's own messages, not on Google's wrappers of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore_v1 import types

VALUE: Final = types.Value.pb()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_fields(fields: Any) -> dict[str, Any]:
    """A document's fields."""
    return {name: read_value(value) for name, value in fields.items()}


def read_value(value: Any) -> Any:
    """A time is an aware datetime, a reference its name, a place (latitude, longitude)."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return read_fields(value.map_value.fields)
    if kind == "array_value":
        return [read_value(element) for element in value.array_value.values]
    if kind == "timestamp_value":
        return read_time(value.timestamp_value)
    if kind == "geo_point_value":
        return value.geo_point_value.latitude, value.geo_point_value.longitude
    return None if kind in (None, "null_value") else getattr(value, kind)


def read_time(stamp: Any) -> datetime:
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def build_value(value: Any) -> Any:
    """Raises TypeError for what Firestore has no value for."""
    if value is None:
        return VALUE(null_value=0)
    if isinstance(value, bool):
        return VALUE(boolean_value=value)
    if isinstance(value, int):
        return VALUE(integer_value=value)
    if isinstance(value, float):
        return VALUE(double_value=value)
    if isinstance(value, str):
        return VALUE(string_value=value)
    if isinstance(value, datetime):
        return VALUE(timestamp_value=value)
    if isinstance(value, Mapping):
        return VALUE(map_value={"fields": build_fields(value)})
    if isinstance(value, (list, tuple)):
        return VALUE(array_value={"values": [build_value(element) for element in value]})
    raise TypeError(f"Firestore has no value for {type(value).__name__}")


def build_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: build_value(value) for name, value in fields.items()}
