"""`status.rollout`: where the rollout of the flag stands. An operator that starts anew goes on from it alone.

It is written before what it says is published, so that a step is never published that nobody remembers.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from controller.model.base import Model

Count = Annotated[int, Field(ge=0)]


class RolloutPhase(StrEnum):
    """What the rollout is doing."""

    OFF = "Off"
    DIRECT = "Direct"
    PUBLISHING = "Publishing"
    ANALYSING = "Analysing"
    INCONCLUSIVE = "Inconclusive"
    PAUSED = "Paused"
    COMPLETE = "Complete"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


class LegacyState(StrEnum):
    """What becomes of the legacy registry."""

    WRITTEN = "Written"
    WAITING = "Waiting"
    VERIFYING = "Verifying"
    DRIFTED = "Drifted"
    STOPPED = "Stopped"
    RESTORING = "Restoring"


class CohortFigures(Model):
    """Calls of one cohort. `latency`: of those whose times are compared, by class, the last one beyond every bound."""

    calls: Count = Field(default=0, description="Calls of /rpc.")
    errors: Count = Field(default=0, description="Those that the service failed.")
    latency: tuple[Count, ...] = Field(default=(), description="Calls by duration class (contract/metrics.py).")
    p99_milliseconds: Count | None = Field(default=None, description="p99 of their duration; absent: too few.")


class RolloutFigures(Model):
    """What was measured since the interval began."""

    on: CohortFigures = Field(default=CohortFigures(), description="Users for whom it is on.")
    off: CohortFigures = Field(default=CohortFigures(), description="Users for whom it is off.")
    fallbacks: Count = Field(default=0, description="Unified writes that failed while the legacy one answered.")


class RolloutCheck(Model):
    """A look for clear failures within the interval. What it judges is what the interval counted since it began."""

    started_at: str = Field(description="When it began (RFC 3339).")
    counted: RolloutFigures = Field(default=RolloutFigures(), description="Of the interval, when it began.")
    failures: Count = Field(default=0, description="Failed checks in a row, which stand in rollout.failures too.")
    failed: Count = Field(default=0, description="Failed checks since an interval passed.")


class FailedRollout(Model):
    """Why the flag went back. Not tried again until the spec changes (`specHash`) or it is promoted."""

    spec_hash: str = Field(description="Steps, audience, analysis and image that failed.")
    step: Count = Field(description="The step that failed.")
    reason: str = Field(description="One word.")
    message: str = Field(description="The same for a person, with the figures.")
    at: str = Field(description="When (RFC 3339).")


class LegacyStatus(Model):
    """Whether the legacy registry is written beside the unified one."""

    state: LegacyState = Field(default=LegacyState.WRITTEN, description="What becomes of it.")
    attempt: Count = Field(default=0, description="Number of the Job that verifies or copies back.")
    copying: bool = Field(default=False, description="Whether the Job that copies live users back is to run.")
    since: str | None = Field(default=None, description="When this state began (RFC 3339).")
    message: str = Field(default="", description="What is waited for, for a person to read.")


class RolloutStatus(Model):
    """Everything that the next decision needs of the past."""

    phase: RolloutPhase = Field(description="What the rollout is doing.")
    step: Count = Field(default=0, description="Step that is on, from 1; 0: none.")
    steps: Count = Field(default=0, description="Steps in all.")
    percent: float | None = Field(default=None, description="Percentage that is on; absent: named ones, or everybody.")
    message: str = Field(default="", description="What is waited for and what was measured, for a person to read.")
    since: str = Field(description="When this phase began (RFC 3339).")
    next_at: str | None = Field(default=None, description="When the interval ends (RFC 3339).")
    window_started_at: str | None = Field(default=None, description="When the interval began (RFC 3339).")
    failures: Count = Field(default=0, description="Failed intervals and checks in a row.")
    check: RolloutCheck | None = Field(default=None, description="The check under way within the interval.")
    figures: RolloutFigures | None = Field(default=None, description="Measured in this interval; absent: not yet.")
    baseline: CohortFigures | None = Field(
        default=None, description="The last interval's users for whom it was off; serves once there are too few."
    )
    failed: FailedRollout | None = Field(default=None, description="Why it went back; absent: it did not.")
    legacy: LegacyStatus = Field(default=LegacyStatus(), description="The legacy registry.")
    whole_since: str | None = Field(default=None, description="Since when it is on for everybody (RFC 3339).")
    spec_hash: str = Field(default="", description="Steps, audience and analysis that this is about.")
    least_bp: Count = Field(default=0, description="Basis points that were on before: a changed spec takes none away.")
    handled_promote: str = Field(default="", description="Value of the annotation promote that was acted on.")
    handled_rollback: str = Field(default="", description="Value of the annotation rollback that was acted on.")
