"""Exit codes of `python -m service …` that the operator reads. 1 is none: any exception ends Python with it."""

from typing import Final

# `verify` ran, and the registries drift.
DRIFT: Final = 3
