"""Kubernetes quantities such as 250m, 1.5 or 512Mi, as exact numbers."""

import re
from decimal import Decimal
from typing import Final

_SUFFIXES: Final[dict[str, Decimal]] = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in zip((-3, -2, -1), "num", strict=True)},
    **{unit: Decimal(1000) ** (power + 1) for power, unit in enumerate("kMGTPE")},
    **{f"{unit}i": Decimal(1024) ** (power + 1) for power, unit in enumerate("KMGTPE")},
}
PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_PARTS: Final = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)$")


def parse_quantity(text: str | int) -> Decimal:
    """The number that a quantity stands for. Raises ValueError on anything else."""
    match = _PARTS.match(str(text))
    if match is None or match.group(2) not in _SUFFIXES:
        raise ValueError(f"{text!r} is no Kubernetes quantity such as 250m or 512Mi")
    return Decimal(match.group(1)) * _SUFFIXES[match.group(2)]


def is_same_quantity(left: object, right: object) -> bool:
    """Whether two spellings (`0.5`, `500m`) stand for the same number; False where one is no quantity."""
    try:
        return parse_quantity(str(left)) == parse_quantity(str(right))
    except ValueError:
        return False
