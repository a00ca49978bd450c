"""What a tenant set up, as serving needs it: placements with their rules and experiments, and all strategies."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments import running
from experiments.types import experiments_key
from recomengine.lib.errors import DomainError
from recommendations import placements
from recommendations.serving.prepared import Prepared, prepare
from recommendations.strategies import Strategy


class Config(NamedTuple):
    """What a tenant set up: its placements with rules and experiments, and all strategies that can be named."""

    placements: Mapping[str, Prepared]
    strategies: Mapping[str, Strategy]

    def placement(self, key: str) -> Prepared:
        """The placement of that key; raises `unknown_placement`."""
        found = self.placements.get(key)
        if found is None:
            known = ", ".join(self.placements)
            raise DomainError("unknown_placement", f"There is no placement {key!r}; there are {known}.")
        return found


def keys(slug: str) -> tuple[str, ...]:
    """Where it lies in Redis what a tenant set up, in the order of `decode`."""
    return (
        placements.config_key(slug),
        placements.strategies_key(slug),
        placements.rules_key(slug),
        experiments_key(slug),
    )


def decode(packed: Sequence[bytes | None]) -> Config:
    """A tenant's configuration; what is built in where nothing is published."""
    configs, own, rules, experiments = packed
    prepared = prepare(placements.decode(configs).values(), placements.decode_rules(rules), running.decode(experiments))
    return Config(prepared, placements.decode_strategies(own))
