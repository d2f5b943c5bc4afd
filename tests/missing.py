"""What a machine lacks for a test: it skips and says so; under CI=true, where nothing may be skipped, it fails."""

import os
from typing import NoReturn

import pytest


def end_test_without(lacking: str) -> NoReturn:
    """Ends the test; `lacking` says what is missing and, where that helps, how to get it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, and here is missing: {lacking}", pytrace=False)
    pytest.skip(lacking)
