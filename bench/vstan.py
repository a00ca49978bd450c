"""VSTAN, the nearest-neighbour method that session recommenders are measured against, plainly.

Ludewig, Jannach: Evaluation of session-based recommendation algorithms, UMUAI 2018 (V-SKNN: vector similarity with
linear or exponential recency, idf); Garg et al.: Sequence and time aware neighborhood for session-based
recommendations, SIGIR 2019 (the three decays). A baseline for `bench.quality`; nothing of the project uses it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Sessions = Sequence[tuple[float, Sequence[int]]]
"""End (in days) and items of each session, oldest session first."""


@dataclass
class Vstan:
    """`sample` newest sessions with an item of the visit are compared, the `neighbours` most similar vote.

    `by_position`, `by_age` (days), `by_gap`: the decays of the visit's own steps, of a neighbour's age, and of the
    distance to the newest common item.
    """

    sessions: Sessions
    neighbours: int = 500
    sample: int = 5000
    by_position: float = 2.0
    by_age: float = 100.0
    by_gap: float = 2.0
    _holding: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _idf: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, (_, items) in enumerate(self.sessions):
            for item in set(items):
                self._holding[item].append(number)
        total = len(self.sessions)
        self._idf = {item: math.log(1 + total / len(holding)) for item, holding in self._holding.items()}

    def recommend(self, pasts: Sequence[tuple[int, ...]], *, k: int, novel: bool) -> Iterator[list[int]]:
        for past in pasts:
            scores = self._scores(past)
            seen = set(past) if novel else set()
            yield [item for item in sorted(scores, key=lambda item: -scores[item]) if item not in seen][:k]

    def _scores(self, past: Sequence[int]) -> dict[int, float]:
        last = {item: place for place, item in enumerate(past)}
        weights = {item: math.exp((place + 1 - len(past)) / self.by_position) for item, place in last.items()}
        found: defaultdict[int, float] = defaultdict(float)
        for number, similarity in self._nearest(weights, len(last)):
            items = self.sessions[number][1]
            common = max((item for item in items if item in last), key=lambda item: last[item])
            at = max(place for place, item in enumerate(items) if item == common)
            for place, item in enumerate(items):
                found[item] += similarity * math.exp(-abs(place - at) / self.by_gap) * self._idf[item]
        return found

    def _nearest(self, weights: dict[int, float], length: int) -> list[tuple[int, float]]:
        candidates: Counter[int] = Counter()
        newest = sorted({number for item in weights for number in self._holding.get(item, ())[-self.sample :]})
        kept = set(newest[-self.sample :])
        for item, weight in weights.items():
            for number in self._holding.get(item, ())[-self.sample :]:
                if number in kept:
                    candidates[number] += weight  # type: ignore[assignment]
        end = self.sessions[-1][0]
        aged = {
            number: common
            / math.sqrt(length * len(set(self.sessions[number][1])))
            * math.exp((self.sessions[number][0] - end) / self.by_age)
            for number, common in candidates.items()
        }
        return sorted(aged.items(), key=lambda each: -each[1])[: self.neighbours]
