"""Whether a model may replace the live one, with the reason in plain words.

NDCG decides, because it sees both whether the target was shown and how high. A difference counts only if its 95 %
interval leaves zero out. Coverage has a say of its own: confidence and popularity win hits while they show the same few
items to everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recommendations.evaluation import bootstrap
from recommendations.evaluation.runner import Results
from recommendations.evaluation.types import MEASURES, Estimate, Quality


@dataclass(frozen=True, slots=True)
class Gate:
    """What it takes to hold a model back.

    `min_units`: with fewer held-out visits or orders nothing is. `min_coverage`: the least share of the live coverage.
    """

    min_units: int = 50
    min_coverage: float = 0.5


GATE: Final = Gate()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to publish, a stable code, the reason in words, and new - live of each measure with its interval.

    Codes: `too_few_to_judge`, `first_model`, `better`, `as_good`; held back: `worse`, `coverage_collapsed`.
    `beats_popular`: whether it ranks better than popular products beyond chance; None if not compared.
    """

    publish: bool
    code: str
    text: str
    differences: Mapping[str, Estimate]
    beats_popular: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; a difference is [value, low, high]."""
        plain = {name: [each.value, each.low, each.high] for name, each in self.differences.items()}
        return {
            "publish": self.publish,
            "code": self.code,
            "text": self.text,
            "differences": plain,
            "beats_popular": self.beats_popular,
        }


def judge(candidate: Results, live: Results | None, popular: Results | None = None, gate: Gate = GATE) -> Decision:
    """Compare a candidate with the live model, case by case, and with what is popular.

    None may have been trained on what happened after the cases' prefixes, or it knows the answers: of the live model
    take the tables that its own evaluation was made with. Where these are gone, `judge_by_record` compares figures.
    Raises ValueError if the results are of different cases or k.
    """
    differences = paired_differences(candidate, live) if live else {}
    return _decide(candidate.quality, live.quality if live else None, differences, _against(candidate, popular), gate)


def judge_by_record(candidate: Results, live: Quality, popular: Results | None = None, gate: Gate = GATE) -> Decision:
    """Compare a candidate with what the live model scored when it was judged, on other and older cases.

    A weaker comparison: that visitors became harder to predict looks like a worse model. Raises ValueError if k
    differs.
    """
    if candidate.k != live.k:
        raise ValueError(f"Measured with {candidate.k} and with {live.k} items shown.")
    now = candidate.quality
    pairs = {name: (getattr(now, name), getattr(live, name)) for name in MEASURES}
    differences = {
        name: bootstrap.independent_difference(new, old) for name, (new, old) in pairs.items() if new and old
    }
    return _decide(now, live if differences else None, differences, _against(candidate, popular), gate)


def paired_differences(candidate: Results, other: Results) -> dict[str, Estimate]:
    """Candidate - other of each measure on the same cases; empty without cases.

    Raises ValueError if the cases or k differ.
    """
    if candidate.k != other.k or candidate.cases != other.cases:
        raise ValueError(f"{candidate.strategy} and {other.strategy} were not measured on the same cases and k.")
    if not candidate.cases:
        return {}
    found = bootstrap.differences(candidate.measures, other.measures, candidate.units)
    return dict(zip(MEASURES, found, strict=True))


def _against(candidate: Results, popular: Results | None) -> tuple[Quality, Estimate] | None:
    """How popular did, and by how much the candidate's NDCG is above it."""
    if popular is None or not popular.cases:
        return None
    return popular.quality, paired_differences(candidate, popular)["ndcg"]


def _decide(
    new: Quality,
    live: Quality | None,
    differences: Mapping[str, Estimate],
    against: tuple[Quality, Estimate] | None,
    gate: Gate,
) -> Decision:
    code = _code(new, live, differences, gate)
    beats = against[1].low > 0 if against else None
    text = [_reason(code, new, live, differences)]
    if against and code != "too_few_to_judge":
        text.append(_about_popular(*against))
    return Decision(code not in HELD_BACK, code, " ".join(text), differences, beats)


HELD_BACK: Final = frozenset({"worse", "coverage_collapsed"})


def _code(new: Quality, live: Quality | None, differences: Mapping[str, Estimate], gate: Gate) -> str:
    if new.units < gate.min_units or (live and live.units < gate.min_units):
        return "too_few_to_judge"
    if not live:
        return "first_model"
    if differences["ndcg"].high < 0:
        return "worse"
    if new.coverage < gate.min_coverage * live.coverage:
        return "coverage_collapsed"
    return "better" if differences["ndcg"].low > 0 else "as_good"


def _reason(code: str, new: Quality, live: Quality | None, differences: Mapping[str, Estimate]) -> str:
    if code == "too_few_to_judge" or not new.hit_rate:
        least = min(new.units, live.units) if live else new.units
        return f"Published without a comparison: there are only {_counted(least)} to judge it by."
    found = f"Among {new.k} products the new model shows what was chosen in {_percent(new.hit_rate.value)} of cases"
    if not live or not live.hit_rate:
        return f"Published: it is the first model. {found}."
    compared = f"{found}, the live one in {_percent(live.hit_rate.value)}{_points(differences['hit_rate'])}"
    return f"{VERDICTS[code]} {compared}. {_evidence(code, new, live, differences)}"


VERDICTS: Final = {
    "worse": "Not published: the new model ranks worse than the live one, by more than chance explains.",
    "coverage_collapsed": "Not published: the new model shows far fewer of the shop's products.",
    "better": "Published: the new model ranks better than the live one, by more than chance explains.",
    "as_good": "Published: the new model is as good as the live one, as far as can be told.",
}


def _evidence(code: str, new: Quality, live: Quality, differences: Mapping[str, Estimate]) -> str:
    if code == "coverage_collapsed":
        return f"It shows {_percent(new.coverage)} of the catalogue, the live one {_percent(live.coverage)}."
    ndcg = differences["ndcg"]
    return (
        f"The quality of the ranking (NDCG) changed by {ndcg.value:+.3f} (95 % interval {ndcg.low:+.3f} to"
        f" {ndcg.high:+.3f}), measured on {_counted(new.units)}."
    )


def _about_popular(popular: Quality, above: Estimate) -> str:
    rate = _percent(popular.hit_rate.value) if popular.hit_rate else "no"
    if above.low > 0:
        return f"It is better than showing everybody what is popular ({rate} of cases)."
    if above.high < 0:
        return f"It is worse than showing everybody what is popular ({rate} of cases): the data say too little yet."
    return f"It is not clearly better than showing everybody what is popular ({rate} of cases)."


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _points(difference: Estimate) -> str:
    value, low, high = (100 * end for end in (difference.value, difference.low, difference.high))
    return f" ({value:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f})"


def _counted(number: int) -> str:
    return f"{number:,} held-out " + ("visit or order" if number == 1 else "visits or orders")
