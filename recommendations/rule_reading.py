"""Rules as people read them: in the order in which they apply, with their conflicts, and what one would change."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import structlog
from django.db import OperationalError

from catalog import finding
from catalog.filters import Filter
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recommendations import preview, rule_editing
from recommendations.models import Placement, Rule
from recommendations.rule_editing import RuleIn
from recommendations.rules import conflicts, words
from recommendations.rules.conflicts import Catalogue, Conflict
from recommendations.rules.types import Pin, RuleConfig
from recommendations.rules.words import Stage
from recommendations.serving.prepared import Prepared, prepare
from recommendations.serving.slates import Slate
from recommendations.types import PlacementConfig, Query
from tenants import tenancy
from tenants.types import TenantRef

log = structlog.get_logger(__name__)
PATIENCE: Final = 3.0  # seconds for all questions about one list of rules
SHORTEST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule with what it says, the stage in which it applies, and its conflicts."""

    row: Rule
    in_words: str
    stage: Stage
    conflicts: Sequence[Conflict]


class Step(NamedTuple):
    """A stage of a placement: what the placement itself wants there, then the rules in their order."""

    stage: Stage
    own: Sequence[str]
    rules: Sequence[Shown]


class Compared(NamedTuple):
    """A slate as it is, and as it would be."""

    before: Slate
    after: Slate


def shown(tenant: TenantRef, placement: str | None = None) -> list[Shown]:
    """All rules, or those that hold in a placement, stage by stage; raises `unknown_placement`."""
    rows, configs = _everything(tenant)
    if placement is not None:
        named(configs, placement)
    known = _conflicts(tenant, rows, configs)
    found = [of_row(row, known) for row in rows if placement is None or row.placement in (None, placement)]
    return sorted(found, key=lambda each: each.stage.number)


def one(tenant: TenantRef, row: Rule) -> Shown:
    """A rule with its conflicts."""
    return of_row(row, _conflicts(tenant, *_everything(tenant)))


def steps(tenant: TenantRef, placement: str, rules: Sequence[Shown]) -> list[Step]:
    """What makes a slate of a placement, stage by stage, out of the rules that hold there."""
    _, configs = _everything(tenant)
    own = words.placement(named(configs, placement))
    return [Step(stage, own[stage.number], [each for each in rules if each.stage == stage]) for stage in words.STAGES]


def named(configs: Mapping[str, PlacementConfig], placement: str) -> PlacementConfig:
    """The placement of that key; raises `unknown_placement`."""
    if placement not in configs:
        message = f"There is no placement {placement[:64]!r}; there are {', '.join(configs)}."
        raise DomainError("unknown_placement", message)
    return configs[placement]


def of_row(row: Rule, known: Mapping[str, Sequence[Conflict]]) -> Shown:
    config = row.config
    stage = words.STAGES[words.stage_of(config.action) - 1]
    return Shown(row, words.rule(config), stage, known.get(row.key, ()))


def conflicts_with(tenant: TenantRef, rule: RuleIn, without: Collection[str] = ()) -> Sequence[Conflict]:
    """The conflicts that a rule would have if it were saved as it is sent and were on."""
    rows, configs = _everything(tenant)
    _, after = _with(rows, rule, without)
    config = rule_editing.filled(Rule(), rule).config
    everything = [config if each.key == rule.key else each for each in after]
    return _found(tenant, everything, list(configs.values())).get(rule.key, ())


def compare(tenant: TenantRef, query: Query, rule: RuleIn | None, without: Collection[str] = ()) -> Compared:
    """A slate now, and with a rule that is not saved, as if it were on now, in place of the one of its key."""
    rows, configs = _everything(tenant)
    config = named(configs, query.placement)
    before, after = _with(rows, rule, without)
    return Compared(
        preview.slate(tenant, query, placement=_prepared(tenant, config, before)),
        preview.slate(tenant, query, placement=_prepared(tenant, config, after)),
    )


def _prepared(tenant: TenantRef, config: PlacementConfig, rules: Sequence[RuleConfig]) -> Prepared:
    """The placement with these rules; an experiment that runs on it goes on."""
    published = preview.published(tenant).placements.get(config.key)
    experiment = published.experiment if published else None
    return prepare([config], rules, {config.key: experiment} if experiment else {})[config.key]


def _with(
    rows: Sequence[Rule], rule: RuleIn | None, without: Collection[str]
) -> tuple[list[RuleConfig], list[RuleConfig]]:
    """The rules that are on, without and with a change."""
    before = [row for row in rows if row.enabled]
    after = [row for row in before if row.key not in without]
    if rule is not None:
        saved = next((row.pk for row in rows if row.key == rule.key), None)
        changed = rule_editing.filled(Rule(pk=saved), as_if_on(rule))
        after = [*(row for row in after if row.key != rule.key), changed]
        after.sort(key=lambda row: (row.order, row.pk is None, row.pk or 0))
    return [row.config for row in before], [row.config for row in after]


def as_if_on(rule: RuleIn) -> RuleIn:
    """The rule as if it were on at any time."""
    return msgspec.structs.replace(rule, starts_at=None, ends_at=None, enabled=True)


def _everything(tenant: TenantRef) -> tuple[list[Rule], dict[str, PlacementConfig]]:
    with tenancy.use(tenant):
        return list(rule_editing.rules()), {row.key: row.config for row in Placement.objects.all()}


def _conflicts(
    tenant: TenantRef, rows: Sequence[Rule], configs: Mapping[str, PlacementConfig]
) -> Mapping[str, Sequence[Conflict]]:
    return _found(tenant, [row.config for row in rows if row.enabled], list(configs.values()))


def _found(
    tenant: TenantRef, rules: Sequence[RuleConfig], configs: Sequence[PlacementConfig]
) -> Mapping[str, Sequence[Conflict]]:
    now = clock.now().timestamp()
    asked = dict.fromkeys(each.wanted for each in conflicts.questions(rules, configs, now))
    empty = list(_empty(tenant, asked))
    pinned = [rule.action.item_id for rule in rules if isinstance(rule.action, Pin)]
    catalogue = Catalogue(finding.facts(tenant, pinned) if pinned else {}, empty)
    return conflicts.find(rules, configs, catalogue, now)


def _empty(tenant: TenantRef, asked: Iterable[Filter]) -> Iterator[Filter]:
    """Those of the filters that no available item passes, as far as PostgreSQL finds that out in time."""
    until = time.monotonic() + PATIENCE
    for wanted in asked:
        left = until - time.monotonic()
        if left < SHORTEST:
            return
        try:
            if not finding.passing(tenant, wanted, 1, within=left):
                yield wanted
        except OperationalError as error:  # what is saved stays saved, and known conflicts are told
            log.warning("conflicts not all known", tenant=tenant.slug, error=str(error))
            return
