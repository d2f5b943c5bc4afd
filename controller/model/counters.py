"""What one process of the API has counted, as read from its /metrics."""

from dataclasses import dataclass

from controller.model.rollout_status import RolloutFigures


@dataclass(frozen=True, slots=True)
class PodCounters:
    """Since it started (`started_at`: seconds since 1970)."""

    started_at: float
    counted: RolloutFigures
