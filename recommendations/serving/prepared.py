"""Placements as serving needs them: their filters functions, their rules picked, each variant's own beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import msgspec
import structlog

from catalog.filters import parse
from experiments.assignment import assign
from experiments.types import Assignment, ExperimentConfig
from recomengine.lib.errors import DomainError
from recommendations.rules import applying
from recommendations.rules.applying import Restriction
from recommendations.rules.types import Hide, Pin, RuleConfig
from recommendations.types import MAX_LIMIT, PlacementConfig

log = structlog.get_logger(__name__)
SETTABLE: Final = tuple(each.name for each in fields(PlacementConfig) if each.name != "key")
_SHARES: Final = {"diversity": 1.0, "margin": 1.0, "newness": 1.0, "exploration": 0.5}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A placement ready to serve. `variants` are by key; a visitor outside the experiment has the placement itself.

    What its rules need to be read: what it `hides` of a visitor's past, the cards of `pinned` items and perhaps that of
    the product at hand.
    """

    config: PlacementConfig
    filter: Restriction | None = None
    rules: tuple[applying.Prepared, ...] = ()
    hides: frozenset[str] = frozenset()
    pinned: tuple[str, ...] = ()
    asks_of_the_product: bool = False
    experiment: ExperimentConfig | None = None
    variants: Mapping[str, "Prepared"] = field(default_factory=dict)

    def assigned(self, slug: str, visitor_id: str | None) -> "tuple[Prepared, Assignment | None]":
        """What this visitor is served, and by which assignment."""
        assignment = None if self.experiment is None else assign(slug, self.experiment, visitor_id)
        return (self, None) if assignment is None else (self.variants[assignment.variant.key], assignment)


def prepared(config: PlacementConfig, rules: Sequence[RuleConfig] = ()) -> Prepared:
    """A placement without an experiment; raises `invalid` for filters that are none."""
    restriction = None if config.filter is None else Restriction.of("placement", parse(config.filter))
    own = applying.of_placement(rules, config.key)
    actions = [rule.config.action for rule in own]
    return Prepared(
        config,
        restriction,
        own,
        hides=frozenset(action.what for action in actions if isinstance(action, Hide)),
        pinned=tuple(dict.fromkeys(action.item_id for action in actions if isinstance(action, Pin))),
        asks_of_the_product=any(rule.asks_of_the_product for rule in own),
    )


def prepare(
    configs: Iterable[PlacementConfig],
    rules: Sequence[RuleConfig],
    experiments: Mapping[str, ExperimentConfig],
) -> Mapping[str, Prepared]:
    """All placements of a tenant, by key."""
    found = {config.key: prepared(config, rules) for config in configs}
    for key, experiment in experiments.items():
        if key in found:
            variants = {each.key: _variant(found[key], rules, each.configuration) for each in experiment.variants}
            found[key] = replace(found[key], experiment=experiment, variants=variants)
    return found


def _variant(placement: Prepared, rules: Sequence[RuleConfig], configuration: Mapping[str, Any]) -> Prepared:
    try:
        config, without = configured(placement.config, configuration)
        return prepared(config, [rule for rule in rules if rule.key not in without])
    except DomainError as error:  # an experiment must not take a page's recommendations away
        log.warning("variant not understood", placement=placement.config.key, error=str(error))
        return placement


def configured(config: PlacementConfig, configuration: Mapping[str, Any]) -> tuple[PlacementConfig, frozenset[str]]:
    """What a variant makes of a placement, and the rules that do not hold in it.

    It may name any setting of a placement, `strategy` to ask before the cascade, and `without_rules`. Raises `invalid`.
    """
    plain = dict(configuration)
    first, without = plain.pop("strategy", None), plain.pop("without_rules", [])
    if unknown := sorted(plain.keys() - set(SETTABLE)):
        known = ", ".join(("strategy", "without_rules", *SETTABLE))
        raise DomainError("invalid", f"A variant cannot set {', '.join(unknown)}; it can set {known}.")
    try:
        kept = {name: getattr(config, name) for name in SETTABLE}
        changed = msgspec.convert({"key": config.key, **kept, **plain}, PlacementConfig)
        off = msgspec.convert(without, frozenset[str])
        ahead = msgspec.convert([] if first is None else [first], tuple[str, ...])
    except msgspec.ValidationError as error:
        raise DomainError("invalid", f"A variant's configuration is not understood: {error}.") from error
    check(changed)
    return replace(changed, cascade=tuple(dict.fromkeys((*ahead, *changed.cascade)))), off


def check(config: PlacementConfig) -> None:
    """Refuse, with their pointers, numbers that are out of their range and filters that are none."""
    if not 1 <= config.limit <= MAX_LIMIT:
        raise _wrong("limit", f"`limit` is a number from 1 to {MAX_LIMIT}.")
    for name, most in _SHARES.items():
        if not 0 <= getattr(config, name) <= most:
            raise _wrong(name, f"`{name}` is a number from 0 to {most:g}.")
    if config.filter is not None:
        parse(config.filter, "/filter")


def _wrong(name: str, message: str) -> DomainError:
    return DomainError("invalid", message, errors=[{"pointer": f"/{name}", "code": "invalid", "message": message}])
