"""A Valkey of the test's own, to stop."""

from tests.service.conftest import own_valkey

__all__ = ["own_valkey"]
