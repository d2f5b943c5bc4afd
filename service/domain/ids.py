"""What an id may hold. Ids become parts of Valkey keys, where `:` separates them (contract.md, "Methods").

A parameter is declared as an id by its type: `def register_user(self, user_id: Id, …)`; the dispatcher checks it.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from service.domain.errors import InvalidArguments

# Firestore's document ids end at 1,500 bytes; four bytes a character at most.
MAX_ID_CHARS: Final = 375
# Elements of one list or map in one call: Valkey does nothing else while a script writes them, a few milliseconds.
MAX_ELEMENTS: Final = 1_000
DEFAULT_COMPANY: Final = "default"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Identifier:
    """Marks a parameter as an id. `has_colon`: a `:` may stand in it, for nothing comes behind it in a key."""

    has_colon: bool = False


Id = Annotated[str, Identifier()]
# A task's id may hold `:`, as the job ids of its callers do.
TaskId = Annotated[str, Identifier(has_colon=True)]


def check_id(name: str, value: str, *, has_colon: bool = False) -> str:
    """`value`, or InvalidArguments that says what is wrong with the parameter `name`, without repeating its value."""
    if not value:
        raise InvalidArguments(f"{name} is empty")
    if len(value) > MAX_ID_CHARS:
        raise InvalidArguments(f"{name} is longer than {MAX_ID_CHARS} characters")
    if _CONTROL.search(value):
        raise InvalidArguments(f"{name} holds a control character")
    if not has_colon and ":" in value:
        raise InvalidArguments(f"{name} holds ':'")
    return value
