"""What a training's row says, in words for people and in numbers that can be drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from recommendations.evaluation.judging import GATE
from recommendations.evaluation.types import MEASURES, Estimate, Quality
from recommendations.strategies import STRATEGIES

POPULAR: Final = "popular"
JUDGED: Final = "session"
Plain = Mapping[str, Any]


class Measure(NamedTuple):
    """A measure's name, and what it says to somebody who has to decide by it."""

    name: str
    title: str
    meaning: str


BY_CASE: Final = (
    Measure("hit_rate", "Hit rate", "The share of cases in which a product shown was one that the visitor chose next."),
    Measure("mrr", "MRR", "How high the first right product stood: 1 is always first, 0.5 second, 0 never shown."),
    Measure(
        "ndcg",
        "NDCG",
        "How many right products were shown, and how high, against the best possible order: 0 to 1. It decides whether "
        "a model is published.",
    ),
    Measure("recall", "Recall", "The share of what the visitor chose that was shown; of one product, the hit rate."),
)
OF_ALL: Final = (
    Measure("coverage", "Coverage", "The share of your products that were shown to anybody in the test."),
    Measure("novelty", "Novelty", "How surprising the products shown are, in bits: rarely chosen ones surprise more."),
    Measure(
        "popularity_bias",
        "Popularity bias",
        "How popular the products shown are: 1 is as popular as what visitors chose by themselves, 3 three times that.",
    ),
    Measure("share_answered", "Answered", "The share of cases in which anything was shown."),
)
INTERVAL: Final = Measure(
    "interval",
    "95 % interval",
    "Where the value most likely lies, as only so many visits were seen. The thin line through a bar's end shows it.",
)


class Question(NamedTuple):
    """What strategies were asked to guess, and of whom a case is."""

    title: str
    about: str
    unit: str


QUESTIONS: Final[Mapping[str, Question]] = {
    "visits": Question(
        "The next product of a visit", "From what a visitor has looked at so far: what does she turn to next?", "visits"
    ),
    "orders": Question(
        "What is bought together", "From one product of an order: what else was in that order?", "orders"
    ),
    "histories": Question(
        "What a known visitor comes for", "From all that a visitor did before: what did she do afterwards?", "visitors"
    ),
}
_ASKED: Final = {"bought_together": "orders", "for_you": "histories"}


class Bar(NamedTuple):
    """A measure of a strategy as a bar with whiskers: ends in percent of the widest, None where nothing was asked."""

    measure: Measure
    text: str
    interval: str
    width: float
    low: float
    high: float


class Verdict(NamedTuple):
    """How a strategy compares with popular products: `better`, `unclear`, `worse` or `few`, and in words."""

    code: str
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One strategy: how good it is, drawn and in figures, and whether that is better than popular products."""

    name: str
    title: str
    bars: list[Bar]
    figures: list[tuple[Measure, str]]
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Group:
    """The strategies that were asked the same, with how many cases of how many visits, orders or visitors."""

    key: str
    question: Question
    cases: int
    units: int
    shown: int
    lines: list[Line]


class Difference(NamedTuple):
    """How a measure changed against the live version; `code`: `better`, `worse` or `unclear`."""

    title: str
    text: str
    interval: str
    code: str


def groups(quality: Sequence[Plain]) -> list[Group]:
    """What a run's row keeps of its quality, by question."""
    found = []
    for key, question in QUESTIONS.items():
        asked = [each for each in quality if _question(each) == key]
        if asked:
            found.append(_group(key, question, asked))
    return found


def differences(decision: Plain | None) -> list[Difference]:
    """What the gate found of the new version against the live one; empty if it compared nothing."""
    kept = (decision or {}).get("differences") or {}
    return [
        Difference(measure.title, f"{value:+.3f}", f"{low:+.3f} to {high:+.3f}", _code(low, high))
        for measure in BY_CASE
        for value, low, high in ([kept[measure.name]] if measure.name in kept else [])
    ]


def headline(quality: Sequence[Plain]) -> str:
    """In one sentence how good a model is, by what most speaks for it, visits or orders; empty if nothing does."""
    found = {
        key: pair
        for key in _SENTENCES
        if (pair := [each for each in quality if _question(each) == key and each["strategy"] in _SENTENCES[key]])
        and len(pair) == 2
    }
    if not found:
        return ""
    key = max(found, key=lambda each: found[each][0]["units"])
    by_name = {each["strategy"]: each for each in found[key]}
    return _sentence(key, by_name[next(name for name in by_name if name != POPULAR)], by_name[POPULAR])


_SENTENCES: Final = {
    "visits": {JUDGED: "The session strategy finds the next product in", POPULAR: ""},
    "orders": {"bought_together": "From one product of an order, bought together finds another in", POPULAR: ""},
}


def _sentence(key: str, plain: Plain, popular: Plain) -> str:
    own, other = Quality.from_json(plain), Quality.from_json(popular)
    if own.units < GATE.min_units or own.hit_rate is None or other.hit_rate is None:
        held_back = _counted(own.units, QUESTIONS[key].unit.removesuffix("s"))
        return f"{held_back} held back to judge it by: too few to say how good it is."
    says = f"{_SENTENCES[key][plain['strategy']]} {percent(own.hit_rate.value)} of cases"
    rates = f"{says}, popular products in {percent(other.hit_rate.value)}"
    code = _compared("hit_rate", plain, popular)[0]
    return f"{rates}." if code == "better" else f"{rates}: it is {_AGAINST_POPULAR[code]}."


def in_short(text: str) -> str:
    """The first sentence."""
    return text.partition(". ")[0].removesuffix(".")


def percent(share: float) -> str:
    """0.3604 as "36.0 %"."""
    return f"{share:.1%}".replace("%", " %")


def _question(plain: Plain) -> str:
    return str(plain.get("asked") or _ASKED.get(plain["strategy"], "visits"))


def _group(key: str, question: Question, asked: Sequence[Plain]) -> Group:
    baseline = next((each for each in asked if each["strategy"] == POPULAR), None)
    measured = [Quality.from_json(each) for each in asked]
    tops = {name: _top(getattr(each, name) for each in measured) for name in MEASURES}
    lines = [
        Line(
            each.strategy,
            STRATEGIES[each.strategy].title if each.strategy in STRATEGIES else each.strategy,
            [_bar(measure, getattr(each, measure.name), tops[measure.name]) for measure in BY_CASE],
            [(measure, _figure(measure.name, getattr(each, measure.name))) for measure in OF_ALL],
            _verdict(plain, baseline) if baseline and plain is not baseline else None,
        )
        for each, plain in zip(measured, asked, strict=True)
    ]
    first = measured[0]
    return Group(key, question, first.n, first.units, first.k, lines)


def _top(estimates: Iterable[Estimate | None]) -> float:
    return max((each.high for each in estimates if each), default=0.0) or 1.0


def _bar(measure: Measure, estimate: Estimate | None, top: float) -> Bar:
    if estimate is None:
        return Bar(measure, "–", "", 0.0, 0.0, 0.0)
    ends = (estimate.value, estimate.low, estimate.high)
    write = percent if measure.name in ("hit_rate", "recall") else "{:.3f}".format
    value, low, high = (write(end) for end in ends)
    return Bar(measure, value, f"{low} to {high}", *(round(100 * end / top, 2) for end in ends))


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent(value) if name in ("coverage", "share_answered") else f"{value:.2f}"


def _verdict(plain: Plain, popular: Plain) -> Verdict:
    """By NDCG, as models are judged; the hit rate stands beside it."""
    own = Quality.from_json(plain)
    if own.units < GATE.min_units or not own.ndcg:
        return Verdict("few", "too few to compare with popular", f"{own.units} of at least {GATE.min_units} needed.")
    code, ndcg = _compared("ndcg", plain, popular)
    _, hits = _compared("hit_rate", plain, popular)
    return Verdict(code, _AGAINST_POPULAR[code], f"NDCG {ndcg}, hit rate {hits} (95 % intervals).")


def _compared(name: str, plain: Plain, popular: Plain) -> tuple[str, str]:
    """By the interval of the difference on the same cases if it was kept, else by whether the two intervals overlap."""
    if kept := plain.get("above_popular"):
        value, low, high = kept[name]
        write = _points if name == "hit_rate" else "{:+.3f}".format
        return _code(low, high), f"{write(value)}, {write(low)} to {write(high)}"
    own, other = (getattr(Quality.from_json(each), name) for each in (plain, popular))
    return _code(own.low - other.high, own.high - other.low), f"{_between(own)}, popular {_between(other)}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


_AGAINST_POPULAR: Final = {
    "better": "better than popular",
    "worse": "worse than popular",
    "unclear": "not clearly better than popular",
}


def _code(low: float, high: float) -> str:
    if low > 0:
        return "better"
    return "worse" if high < 0 else "unclear"


def _between(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
