"""The settings a shop's own newest visits speak for: a small search, with its evidence.

Every setting is trained on the older part of the newest events and judged on the visits after it, so nothing of what a
later evaluation is made on is seen here if the caller leaves that out. The usual setting stays unless another ranks
better beyond chance, because the differences between good settings are smaller than the noise of a small shop. What is
usual depends on the log: whether it holds visits at all, and whether they are browsing or orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self

import ibis
import msgspec
import pyarrow.compute as pc

from recommendations.algorithms import baskets, coview, returning, sessions, visits
from recommendations.algorithms.baskets import BasketParams
from recommendations.algorithms.coview import BROWSING, CoviewParams
from recommendations.algorithms.ranking import Keep
from recommendations.algorithms.sessions import SessionParams
from recommendations.algorithms.types import POSITIVE_TYPES
from recommendations.evaluation import bootstrap, metrics
from recommendations.evaluation.cases import Draw, basket_cases, history_cases, next_item_cases
from recommendations.evaluation.holdout import divide, divide_sessions, split_moment
from recommendations.evaluation.metrics import Catalogue
from recommendations.evaluation.runner import Results, evaluate
from recommendations.evaluation.types import ENOUGH_UNITS, MEASURES, Case
from recommendations.releases.packed_tables import MemoryTables
from recommendations.strategies.base import CANDIDATES
from recommendations.training.offline import packed_neighbours, recommender
from recommendations.types import USUAL, ServingParameters

K: Final = 20
NEWEST_STEPS: Final = 300_000  # more would cost time and not change the choice
DRAW: Final = Draw(cases=3_000, per_session=5, novel=True)
RECENCIES: Final = (1.5, 3.0, 5.0)
AGAIN_FACTORS: Final = (0.0, 0.3, 1.0, 3.0, 10.0)
MOST: Final = 0.5  # of the visitors with several items, as many visits of several items, or moments, are to be expected

NEVER: Final = 1_000_000_000  # minutes of pause
HISTORIES: Final = replace(
    coview.PURCHASING, half_life_days=365.0, popularity_penalty=0.0, sessions=SessionParams(gap_minutes=NEVER)
)
"""For logs whose visits hold one item each, or that know no more than days: all that a visitor did is one session."""
NAMES: Final = {BROWSING: "browsing", coview.PURCHASING: "without distance", HISTORIES: "whole histories"}
SHORTEST_SPAN: Final = timedelta(days=14)  # of visits; in less no half-life makes a difference
SINGLE_PENALTIES: Final = (0.1, 0.0, 0.3)
CART_PENALTIES: Final = (0.5, 0.3, 0.7)


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting and what it came to: mean measures, and the difference of its NDCG to the usual setting's."""

    setting: str
    ndcg: float
    hit_rate: float
    mrr: float
    coverage: float
    difference: tuple[float, float, float] | None  # value, low, high


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings to train with. `evidence`: of each question, how many cases and what each setting came to."""

    coview: CoviewParams = BROWSING
    single: BasketParams = baskets.PRODUCT_PAGE
    cart: BasketParams = baskets.CART
    serving: ServingParameters = USUAL
    names: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Chosen values and their evidence, as runs keep and show them."""
        return {
            "chosen": {
                **self.names,
                "recency": self.serving.recency,
                "again": self.serving.again,
                "bought_together_penalty": self.single.popularity_penalty,
                "cart_penalty": self.cart.popularity_penalty,
            },
            "coview": asdict(self.coview),
            "returns": self.serving.returns,
            "found": self.serving.found,
            "evidence": self.evidence,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        chosen = plain["chosen"]
        serving = {"recency": chosen["recency"], "returns": plain["returns"], "found": plain["found"]}
        serving["again"] = chosen.get("again", 0.0)  # an older version did not note it, whose training is gone on with
        return cls(
            coview=msgspec.convert(plain["coview"], CoviewParams),
            single=replace(baskets.PRODUCT_PAGE, popularity_penalty=chosen["bought_together_penalty"]),
            cart=replace(baskets.CART, popularity_penalty=chosen["cart_penalty"]),
            serving=msgspec.convert(serving, ServingParameters),
            names={name: chosen[name] for name in ("coview",) if name in chosen},
            evidence=plain["evidence"],
        )


def choose(run: Keep, interactions: ibis.Table) -> Choice:
    """Choose by interactions (INTERACTIONS); `run` executes an expression and keeps it as a table under a name."""
    usual = coview.choose_params(float(coview.purchase_share(interactions).execute()))
    looks = run("choice looks", _newest(interactions.filter(interactions.type.isin(POSITIVE_TYPES))))
    steps = run("choice steps", sessions.sessions(looks, usual.sessions))
    kind = _kind(looks, steps)
    usual = HISTORIES if kind.single_items else usual
    rates = returning.learn_returns(visits.visits(interactions, usual.sessions.gap_minutes if kind.go_on else NEVER))
    divided = _divided_visits(run, steps) if kind.go_on else _divided_histories(run, looks, usual)
    viewed = _choose_coview(run, divided, usual, rates)
    single, cart, bought = _choose_baskets(run, interactions)
    return Choice(
        coview=viewed.params,
        single=single,
        cart=cart,
        serving=viewed.serving,
        names={"coview": viewed.name},
        evidence={**viewed.evidence, **bought},
    )


def coview_settings(usual: CoviewParams, span: timedelta) -> dict[str, CoviewParams]:
    """The settings that are compared, the usual one first; `span` is the time from the first visit to the last."""
    settings = {
        NAMES[usual]: usual,
        "browsing": replace(BROWSING, sessions=usual.sessions),
        "without distance": replace(coview.PURCHASING, sessions=usual.sessions),
        "both directions alike": replace(usual, backward=usual.forward),
        "no penalty on popular items": replace(usual, popularity_penalty=0.0),
    }
    if span >= SHORTEST_SPAN:
        settings["recent"] = replace(usual, half_life_days=7.0)
        settings["lasting"] = replace(usual, half_life_days=365.0)
    different: dict[CoviewParams, str] = {}
    for name, params in settings.items():
        different.setdefault(params, name)
    return {name: params for params, name in different.items()}


class _Kind(NamedTuple):
    """What a log's visits are: whether they hold one item each, and whether they go on from a moment to the next."""

    single_items: bool
    go_on: bool


def _kind(looks: ibis.Table, steps: ibis.Table) -> _Kind:
    """Visits say too little if most visitors with several items never had two in a visit, or times are days."""
    known = looks.filter(looks.visitor.notnull())
    visitors = known.group_by("visitor").agg(
        items=known.item.nunique(),
        days=(known.session.isnull() & (known.occurred_at == known.occurred_at.truncate("D"))).all(),
    )
    several = visitors.filter(visitors["items"] > 1).agg(number=ibis._.count(), days=ibis._.days.all())
    row = several.to_pyarrow().to_pylist()[0]
    of_visits = steps.group_by("session").agg(moments=steps.position.nunique())
    found = of_visits.agg(visits=ibis._.count(), lasting=(ibis._.moments > 1).sum().fill_null(0))
    counts, least = found.to_pyarrow().to_pylist()[0], row["number"] * MOST
    single_items = bool(row["days"]) or counts["visits"] < least
    return _Kind(single_items, not single_items and counts["lasting"] >= least)


class _Held(NamedTuple):
    """The steps (SESSION_EVENTS) that settings are tried on, and what they are asked: for new items, and for any."""

    older: ibis.Table
    new: list[Case]
    every: list[Case]

    @property
    def says_enough(self) -> bool:
        """Whether there are enough units that are asked for, and anything to learn from."""
        return len({case.unit for case in self.new}) >= ENOUGH_UNITS and bool(self.older.count().execute())


def _divided_visits(run: Keep, steps: ibis.Table) -> _Held | None:
    """The steps of the newest visits are asked for."""
    moment = split_moment(steps)
    if moment is None:
        return None
    divided = divide_sessions(steps, moment)
    new, every = (next_item_cases(divided.held_out, draw) for draw in (DRAW, replace(DRAW, novel=False)))
    return _Held(run("choice older steps", divided.training), new, every)


def _divided_histories(run: Keep, looks: ibis.Table, usual: CoviewParams) -> _Held | None:
    """What visitors came back for is asked for: their visits have no next step."""
    whole = run("choice histories", sessions.sessions(looks, HISTORIES.sessions))
    moment = split_moment(whole)
    if moment is None:
        return None
    divided = divide(looks, moment)
    new, every = (history_cases(*divided, draw) for draw in (DRAW, replace(DRAW, novel=False)))
    return _Held(run("choice older steps", sessions.sessions(divided.training, usual.sessions)), new, every)


class _Viewed(NamedTuple):
    """The co-view setting and its name, and how it is served."""

    name: str
    params: CoviewParams
    serving: ServingParameters
    evidence: dict[str, Any]


def _choose_coview(run: Keep, held: _Held | None, usual: CoviewParams, rates: returning.Rates) -> _Viewed:
    if held is None or not held.says_enough:
        return _Viewed(NAMES[usual], usual, ServingParameters(usual.recency, rates), {})
    known = metrics.catalogue(items := held.older.item.to_pyarrow().to_numpy(), items)
    asked = _Asked(held.new, known, K)
    settings = coview_settings(usual, _span(held.older))
    tables = {
        name: packed_neighbours(run(f"choice coview {place}", coview.coview_of_sessions(held.older, params)))
        for place, (name, params) in enumerate(settings.items())
    }
    results = {name: asked.session(name, table, ServingParameters(usual.recency)) for name, table in tables.items()}
    name, tried = _best(results)
    fading = {str(usual.recency): results[name]} | {
        str(each): asked.session(str(each), tables[name], ServingParameters(each))
        for each in RECENCIES
        if each != usual.recency
    }
    recency, faded = _best(fading)
    serving = ServingParameters(float(recency), rates)
    serving = replace(serving, found=asked.found(tables[name], serving))
    again, repeated = _best(_Asked(held.every, known, K).repeats(tables[name], serving))
    evidence = {
        "coview": _evidence(held.new, tried),
        "recency": _evidence(held.new, faded),
        "again": _evidence(held.every, repeated),
    }
    return _Viewed(name, settings[name], replace(serving, again=float(again)), evidence)


def _span(steps: ibis.Table) -> timedelta:
    ends = pc.min_max(steps.ended_at.to_pyarrow()).as_py()
    span: timedelta = ends["max"] - ends["min"]
    return span


def _choose_baskets(run: Keep, interactions: ibis.Table) -> tuple[BasketParams, BasketParams, dict[str, Any]]:
    """How much popularity is held against an item beside one product, and in the cart."""
    usual = (baskets.PRODUCT_PAGE, baskets.CART)
    orders = run("choice orders", _newest_orders(interactions))
    ends = orders.group_by(session=orders.order_id).agg(ended_at=orders.occurred_at.max())
    moment = split_moment(ends)
    if moment is None:
        return *usual, {}
    older = orders.filter(orders.occurred_at <= ibis.literal(moment, orders.occurred_at.type()))
    newer = orders.anti_join(older, "order_id")
    single, cart = basket_cases(baskets.order_lines(newer), DRAW)
    if len(single) < ENOUGH_UNITS:
        return *usual, {}
    combined = run("choice combinations", baskets.combinations(older))
    known = metrics.catalogue(items := older.item.to_pyarrow().to_numpy(), items)
    found, evidence = [], {}
    questions = (
        ("bought_together", "baskets", single, SINGLE_PENALTIES, 5),
        ("cart", "carts", cart, CART_PENALTIES, 10),
    )
    for params, (name, table, cases, penalties, k) in zip(usual, questions, strict=True):
        asked = _Asked(cases, known, k)
        results = {
            str(penalty): asked.baskets(str(penalty), table, run, combined, replace(params, popularity_penalty=penalty))
            for penalty in sorted(penalties, key=lambda penalty: penalty != params.popularity_penalty)
        }
        best, tried = _best(results)
        found.append(replace(params, popularity_penalty=float(best)))
        evidence[name] = _evidence(cases, tried)
    return found[0], found[1], evidence


@dataclass(frozen=True, slots=True)
class _Asked:
    """The cases that all settings of one question answer."""

    cases: Sequence[Case]
    known: Catalogue
    k: int

    def session(
        self, name: str, lists: Mapping[int, bytes], serving: ServingParameters, *, novel: bool = True
    ) -> Results:
        recommend = recommender("session", MemoryTables({"coview": lists}, serving), self.k, novel=novel)
        return evaluate(name, recommend, self.cases, self.k, self.known)

    def repeats(self, lists: Mapping[int, bytes], serving: ServingParameters) -> dict[str, Results]:
        """By how much the scores of seen items count."""
        return {
            str(each): self.session(str(each), lists, replace(serving, again=each), novel=False)
            for each in AGAIN_FACTORS
        }

    def found(self, lists: Mapping[int, bytes], serving: ServingParameters) -> float:
        """In which share of the cases a target is among all that is proposed, with one more case in which it is."""
        every = _Asked(self.cases, self.known, CANDIDATES).session("found", lists, serving)
        return float((every.ranks > 0).sum() + 1) / (len(self.cases) + 1)

    def baskets(self, name: str, table: str, run: Keep, combined: ibis.Table, params: BasketParams) -> Results:
        ranked = packed_neighbours(run(f"choice {table} {name}", baskets.rank_combinations(combined, params)))
        tables = MemoryTables({"baskets": ranked, "carts": ranked})
        recommend = recommender("bought_together", tables, self.k, novel=True)
        return evaluate(name, recommend, self.cases, self.k, self.known)


def _best(results: Mapping[str, Results]) -> tuple[str, list[Tried]]:
    """The name of the best ranking, and all of them; the first is the usual setting, which chance does not displace."""
    usual = next(iter(results))
    ndcg = MEASURES.index("ndcg")
    tried = {}
    for name, result in results.items():
        gain = bootstrap.differences(result.measures, results[usual].measures, result.units)[ndcg]
        mean = dict(zip(MEASURES, result.measures.mean(axis=0).tolist(), strict=True))
        tried[name] = Tried(
            name, mean["ndcg"], mean["hit_rate"], mean["mrr"], metrics.coverage(result.shown, result.known),
            None if name == usual else (gain.value, gain.low, gain.high),
        )  # fmt: skip
    better = [each for each in tried.values() if each.difference and each.difference[1] > 0]
    best = max(better, key=lambda each: each.ndcg).setting if better else usual
    return best, list(tried.values())


def _evidence(cases: Sequence[Case], tried: Sequence[Tried]) -> dict[str, Any]:
    return {"cases": len(cases), "units": len({case.unit for case in cases}), "tried": [asdict(each) for each in tried]}


def _newest(interactions: ibis.Table) -> ibis.Table:
    columns = [ibis.desc("occurred_at"), "visitor", "session", "item", "type", "order_id"]
    return interactions.order_by(columns).limit(NEWEST_STEPS)


def _newest_orders(interactions: ibis.Table) -> ibis.Table:
    lines = interactions.filter(interactions.type == baskets.PURCHASE, interactions.order_id.notnull())
    return _newest(lines)
