"""The settings that a training chose, in words, with what was tried and what it came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from recommendations.evaluation.types import ENOUGH_UNITS


class Tried(NamedTuple):
    """A setting that was tried: its measures, and its NDCG less that of the usual setting."""

    words: str
    is_chosen: bool
    ndcg: float
    hit_rate: float
    coverage: float
    difference: tuple[float, float, float] | None

    @property
    def change(self) -> str:
        """The difference with its interval; empty for the usual setting."""
        if self.difference is None:
            return ""
        value, low, high = self.difference
        return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A question of settings, its answer in words, and the evidence; without any the usual setting stayed."""

    title: str
    words: str
    cases: int
    units: int
    tried: list[Tried]


class _Subject(NamedTuple):
    key: str
    title: str
    evidence: str


_SUBJECTS: Final = (
    _Subject("coview", "What goes together in a visit", "coview"),
    _Subject("recency", "How fast interest fades within a visit", "recency"),
    _Subject("again", "What a visit has seen, where it may come again", "again"),
    _Subject("bought_together_penalty", "Bought together, beside one product", "bought_together"),
    _Subject("cart_penalty", "Bought together, in the cart", "cart"),
)
_COVIEWS: Final[Mapping[str, str]] = {
    "browsing": "products looked at soon after one another, what came after counting more than what came before",
    "both directions alike": "products looked at near one another, before and after alike",
    "without distance": "products of one visit, however far apart",
    "recent": "as for browsing, with visits counting half after a week",
    "lasting": "as for browsing, with visits counting half only after a year",
    "no penalty on popular items": "as for browsing, with popular products not held back",
}
FEW: Final = f"The usual setting: fewer than {ENOUGH_UNITS} visits or orders speak for no other."


def chosen(parameters: Mapping[str, Any]) -> list[Chosen]:
    """What a run's row keeps of its settings; empty if it keeps none."""
    values, evidence = parameters.get("chosen") or {}, parameters.get("evidence") or {}
    return [
        _chosen(subject, values[subject.key], evidence.get(subject.evidence) or {})
        for subject in _SUBJECTS
        if subject.key in values
    ]


def _chosen(subject: _Subject, value: Any, evidence: Mapping[str, Any]) -> Chosen:
    tried = [
        Tried(
            in_words(subject.key, each["setting"]), str(each["setting"]) == str(value),
            each["ndcg"], each["hit_rate"], each["coverage"], each["difference"],
        )
        for each in evidence.get("tried", [])
    ]  # fmt: skip
    words = in_words(subject.key, value)
    return Chosen(subject.title, words, evidence.get("cases", 0), evidence.get("units", 0), tried)


def in_words(key: str, setting: Any) -> str:
    """A setting as a shop's people say it."""
    if key == "coview":
        return _COVIEWS.get(str(setting), str(setting))
    if key == "recency":
        return f"a product looked at {float(setting):g} steps earlier counts about a third"
    if key == "again":
        share = float(setting)
        return f"what goes with the visit counts {share:g} times for it" if share else "by how often visits come back"
    penalty = float(setting)
    return f"popular products held back with strength {penalty:g}" if penalty else "popular products not held back"
