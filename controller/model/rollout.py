"""`spec.unifiedRegistry`: the flag, for whom it is on, and by which steps it comes to everybody.

What is done with it is `controller.plan.rollout`.
"""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from controller.model.base import JsonObject, Model, rule, rules

WHOLE_BP: Final = 10_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_SET: Final[JsonObject] = {"x-kubernetes-list-type": "set"}

Identifier = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^:\x00-\x1f]+$")]
Percent = Annotated[float, Field(ge=0, le=100)]
Interval = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[smh]$", max_length=6)]


def percent_to_bp(percent: float | None) -> int | None:
    """Basis points; None stays None."""
    return None if percent is None else round(percent * 100)


def interval_to_s(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]


class Audience(Model):
    """For whom the unified registry is on. Excluded users first, then named ones, then the percentage."""

    users: tuple[Identifier, ...] = Field(
        default=(), max_length=1000, json_schema_extra=_SET, description="Ids of users for whom it is on."
    )
    companies: tuple[Identifier, ...] = Field(
        default=(),
        max_length=1000,
        json_schema_extra=_SET,
        description="Ids of companies for whose users it is on.",
    )
    exclude_users: tuple[Identifier, ...] = Field(
        default=(),
        max_length=1000,
        json_schema_extra=_SET,
        description="Ids of users for whom it is off, whatever else is said.",
    )
    percent: Percent | None = Field(
        default=None,
        description="Percentage of companies (users where no company is known) for whom it is on, to two places."
        " Growing it only ever adds.",
    )


class RolloutStep(Model):
    """One step: it adds to those before it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.percent) || (has(self.users) && size(self.users) > 0)"
                " || (has(self.companies) && size(self.companies) > 0)",
                "a step needs users, companies or percent: say for whom the flag comes on",
            )
        )
    )

    users: tuple[Identifier, ...] = Field(
        default=(), max_length=100, json_schema_extra=_SET, description="Users for whom it comes on with this step."
    )
    companies: tuple[Identifier, ...] = Field(
        default=(),
        max_length=100,
        json_schema_extra=_SET,
        description="Companies for whose users it comes on with this step.",
    )
    percent: Percent | None = Field(
        default=None, description="Percentage of companies, as in audience.percent; it never falls from step to step."
    )
    interval: Interval | None = Field(
        default=None, description="How long this step is watched, such as 24h; unset: rollout.interval."
    )

    @property
    def percent_bp(self) -> int | None:
        return percent_to_bp(self.percent)


class Prometheus(Model):
    """A Prometheus that scrapes the API's pods."""

    url: str = Field(
        pattern=r"^https?://[^\x00-\x20]+$",
        max_length=512,
        description="Its address, such as http://prometheus.monitoring:9090.",
    )
    selector: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        description='Label matchers of the API\'s series; unset: namespace="NAMESPACE",pod=~"NAME-api-.*".',
    )


class Analysis(Model):
    """What must hold among those for whom it is on, against those for whom it is off: clearly in each check within an
    interval, exactly at its end."""

    error_ratio: float = Field(
        default=0.01, ge=0, le=1, description="How much greater the share of failed calls may be; 0.01: one point."
    )
    p99_ratio: float = Field(default=2, ge=1, le=100, description="How many times as long the p99 of a call may be.")
    p99_floor_milliseconds: int = Field(
        default=100, ge=0, le=60_000, description="A p99 up to this is never too long, whatever its ratio."
    )
    fallback_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Largest share of calls whose unified write failed while the legacy one answered.",
    )
    min_samples: int = Field(
        default=200,
        ge=1,
        le=10_000_000,
        description="Fewest calls of those for whom it is on; with fewer the step is held until there are enough.",
    )
    max_failures: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Failed intervals or checks within them in a row, after which the flag goes back by itself.",
    )
    prometheus: Prometheus | None = Field(
        default=None, description="Where the figures come from; unset: the API pods' own /metrics."
    )


class Rollout(Model):
    """Steps to everybody, each watched for an interval."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.steps.filter(s, has(s.percent)).map(s, s.percent).isSorted()",
                "the percentage falls from one step to a later one: put the steps in growing order",
            )
        )
    )

    steps: tuple[RolloutStep, ...] = Field(min_length=1, max_length=20, description="Steps, in their order.")
    interval: Interval = Field(
        default="10m",
        description="How long a step is watched before the next, such as 30s, 10m or 24h. Checks within it (a tenth"
        " of it, ten seconds to two minutes) find what clearly fails long before its end.",
    )
    analysis: Analysis = Field(default=Analysis(), description="What is looked at.")
    paused: bool = Field(default=False, description="Hold the step; figures that worsen still take it back.")

    def interval_s(self, step: int) -> int:
        """Of the step at index `step`."""
        return interval_to_s(self.steps[step].interval or self.interval)


_EVERYBODY: Final = (
    "has(self.rollout) ? self.rollout.steps.exists(s, has(s.percent) && s.percent >= 100.0)"
    " : (!has(self.audience) || (has(self.audience.percent) ? self.audience.percent >= 100.0"
    " : ((!has(self.audience.users) || size(self.audience.users) == 0)"
    " && (!has(self.audience.companies) || size(self.audience.companies) == 0))))"
)


class UnifiedRegistry(Model):
    """The flag. A change reaches running pods without a restart."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.rollout) || !has(self.audience) || !has(self.audience.percent)",
                "audience.percent and rollout contradict each other: the steps set the percentage; remove one",
            ),
            # Never with `enabled: false`: the way back must not be refused.
            rule(
                f"self.legacyWrites || !self.enabled || ({_EVERYBODY})",
                "legacyWrites: false needs the flag to be on for everybody in the end: let the last step be"
                " percent: 100, or leave legacyWrites true",
            ),
        )
    )

    enabled: bool = Field(
        default=False,
        description="On for the audience, by the rollout's steps, or for everybody where neither is given; false:"
        " for nobody, at once.",
    )
    debug: bool = Field(default=False, description="Log each registry decision (REGISTRY_DEBUG).")
    audience: Audience | None = Field(
        default=None, description="For whom; unset: everybody. With a rollout: for whom beside its steps."
    )
    rollout: Rollout | None = Field(
        default=None, description="By which steps the flag comes on; unset: for the whole audience at once."
    )
    legacy_writes: bool = Field(
        default=True,
        description="Write the legacy registry too. false counts once the flag was on for everybody for 24 hours and"
        " a verification found no drift; true again copies live users back, which takes a while.",
    )
