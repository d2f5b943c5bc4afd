"""The one place that needs scikit-learn, which only images built with the extra `ml` hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from service.domain.ledger.model import LedgerError

HOW_TO_INSTALL: Final = (
    "The model anomaly needs scikit-learn, which this image is built without: run the workers of this queue from an "
    "image that was built with it (docker build --build-arg EXTRA=ml). The model forecast works without."
)


@dataclass(frozen=True)
class Learning:
    """What is used of scikit-learn. `version` as in `scikit-learn 1.9.1`."""

    version: str
    make_forest: Callable[..., Any]

    def isolation_scores(self, rows: Sequence[Sequence[float]], *, trees: int, sample: int) -> list[float]:
        """A score of 0 to 1 a row, 0.5 for an average one. The same rows get the same scores each time."""
        forest = self.make_forest(n_estimators=trees, max_samples=min(sample, len(rows)), random_state=0, n_jobs=1)
        forest.fit(rows)
        return [-float(score) for score in forest.score_samples(rows)]


def load_learning() -> Learning:
    """Import scikit-learn (a second and 60 MB the first time). Raises LedgerError `ml_missing`."""
    try:
        ensemble = import_module("sklearn.ensemble")
        version = import_module("sklearn").__version__
    except ImportError:
        raise LedgerError("ml_missing", HOW_TO_INSTALL) from None
    return Learning(f"scikit-learn {version}", ensemble.IsolationForest)
