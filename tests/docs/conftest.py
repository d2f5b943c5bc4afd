"""helm, for the commands of the pages that use it."""

from tests.chart.conftest import helm

__all__ = ["helm"]
