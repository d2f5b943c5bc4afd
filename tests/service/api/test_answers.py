"""What a mounted namespace returns, as FastAPI's jsonable_encoder and json.dumps wrote it."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import re
import uuid
from collections import deque
from typing import Any

import pytest

from service.api.answers import as_json, encode_data

NOON = datetime.datetime(2030, 1, 31, 12, tzinfo=datetime.UTC)


class Colour(enum.Enum):
    RED = "red"


class Word(str):
    """As Firestore's own kinds of values are."""


class Moment(datetime.datetime):
    pass


@dataclasses.dataclass
class Row:
    at: datetime.date
    raw: bytes


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"text", "text"),
        ({None: 1, True: 2, False: 3, 4: 5, Colour.RED: 6}, {"null": 1, "true": 2, "false": 3, "4": 5, "red": 6}),
        ({Word("a"): Word("b")}, {"a": "b"}),
        (NOON, "2030-01-31T12:00:00+00:00"),
        (Moment(2030, 1, 31, 12, tzinfo=datetime.UTC), "2030-01-31T12:00:00+00:00"),
        (datetime.datetime(2030, 1, 31, 12), "2030-01-31T12:00:00"),
        (datetime.timedelta(minutes=1.5), 90.0),
        ([decimal.Decimal("1.50"), decimal.Decimal(3)], [1.5, 3]),
        (Row(NOON.date(), b"r"), {"at": "2030-01-31", "raw": "r"}),
        (deque([(1, {2})]), [[1, [2]]]),
        ((number for number in range(2)), [0, 1]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (re.compile("a+"), "a+"),
    ],
)
def test_written_as_before(value: Any, written: Any) -> None:
    assert json.loads(encode_data(as_json(value)))["data"] == written


@pytest.mark.parametrize("value", [len, {(1, 2): 3}, object()])
def test_what_cannot_be_json(value: Any) -> None:
    with pytest.raises(TypeError):
        as_json(value)
