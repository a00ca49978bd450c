"""What a tenant may use: events a month, and requests a second.

Bursts of `BURST_SECONDS` worth of requests are let through after a pause.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BURST_SECONDS: Final = 2
WARN_AT: Final = 0.8  # of the month's events


@dataclass(frozen=True, slots=True)
class Plan:
    """A tenant's limits; None means that there is none."""

    key: str
    name: str
    events_per_month: int | None
    requests_per_second: int | None


PLANS: Final[Mapping[str, Plan]] = {
    plan.key: plan
    for plan in (
        Plan("trial", "Trial", 1_000_000, 200),
        Plan("starter", "Starter", 5_000_000, 500),
        Plan("growth", "Growth", 25_000_000, 2_000),
        Plan("scale", "Scale", 100_000_000, 10_000),
        Plan("enterprise", "Enterprise", None, None),
    )
}
SIGN_UP: Final = "trial"
BY_OPERATORS: Final = "scale"
CHOICES: Final = [(plan.key, plan.name) for plan in PLANS.values()]
