"""The table of values in the chart's README, made from the comments of values.yaml.

`python -m tests.chart.values_table` writes it anew; a test holds both together.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.chart.rendering import CHART

README = CHART / "README.md"
VALUES = CHART / "values.yaml"
BEGIN = "<!-- values: made by `python -m tests.chart.values_table` -->"
END = "<!-- end of values -->"
KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):(?P<rest>.*)$")


@dataclass(frozen=True)
class Value:
    """One value that is no group of others. `path` with dots, `default` as JSON."""

    path: str
    default: str
    comment: str


def defaults() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(VALUES.read_text())
    return loaded


def read_values() -> list[Value]:
    """Each value with the comment above it, in the file's order. AssertionError where a key has no comment."""
    found: list[Value] = []
    parents: list[str] = []
    comment: list[str] = []
    for line in VALUES.read_text().splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        if match := KEY.match(line):
            parents = [*parents[: len(match["indent"]) // 2], match["key"]]
            assert comment, f"values.yaml: no comment above {'.'.join(parents)}"
            if match["rest"].strip():
                default = json.dumps(yaml.safe_load(match["rest"]))
                found.append(Value(".".join(parents), default, " ".join(comment)))
        comment = []
    return found


def build_table() -> str:
    rows = [f"| `{value.path}` | `{value.default}` | {value.comment} |" for value in read_values()]
    return "\n".join([BEGIN, "| value | default | meaning |", "|---|---|---|", *rows, END])


def main() -> None:
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + build_table() + after)


if __name__ == "__main__":
    main()
