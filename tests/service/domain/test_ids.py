"""What an id may hold."""

import pytest

from service.domain.errors import InvalidArguments
from service.domain.ids import MAX_ID_CHARS, check_id


@pytest.mark.parametrize("value", ["u", "a b", "*", "jean.dupont@example.test", "é", "x" * MAX_ID_CHARS, "[a-z]?"])
def test_taken(value: str) -> None:
    assert check_id("user_id", value) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "is empty"),
        ("a:b", "':'"),
        ("a\x00", "control"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("a\x85", "control"),
        ("x" * (MAX_ID_CHARS + 1), "longer than"),
    ],
)
def test_refused(value: str, says: str) -> None:
    with pytest.raises(InvalidArguments, match=f"user_id .*{says}"):
        check_id("user_id", value)


def test_a_task_id_may_hold_a_colon() -> None:
    assert check_id("task_id", "a:b", has_colon=True) == "a:b"
    with pytest.raises(InvalidArguments, match="control"):
        check_id("task_id", "a:\x00", has_colon=True)
