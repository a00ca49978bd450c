"""VSTAN, the nearest-neighbour method that session recommenders are measured against; nothing of the project uses it.

Ludewig, Mauro, Latifi, Jannach: Empirical analysis of session-based recommendation algorithms, UMUAI 2021. It joins the
decays of STAN (Garg et al.: Sequence and time aware neighborhood for session-based recommendations, SIGIR 2019) with
the idf and the vector similarity of V-SKNN (Ludewig, Jannach: Evaluation of session-based recommendation algorithms,
UMUAI 2018). Formulas and parameters are those of the authors' framework `session-rec`; ties go to the newer session and
to the smaller item.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
MICROSECONDS_PER_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Session:
    """What was looked at, oldest first, repeats included; `ended` in microseconds."""

    ended: int
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of the `sample` newest sessions that hold an item of the visit, the `neighbours` most similar vote.

    `cosine`: similarity by cosine, else the weighted share of the visit that is in the session. Decays, in places but
    for `by_age` (days): `by_position` of the visit's items in the similarity, `by_age` of a session, `by_gap` of the
    distance to the last common item in it, `by_match` of how long ago the visit saw the newest common item. `idf`:
    its weight in an item's score.
    """

    neighbours: int
    sample: int
    cosine: bool
    by_position: float
    by_age: float
    by_gap: float
    by_match: float
    idf: float


PUBLISHED: Final[Mapping[str, Parameters]] = {
    "RetailRocket, HR": Parameters(500, 1_000, True, 7.24, 100, 3.62, 3.62, 1),
    "RetailRocket, MRR": Parameters(1_000, 2_500, False, 3.62, 100, 0.4525, 3.62, 1),
    "Diginetica, HR": Parameters(100, 1_000, False, 4.9, 80, 9.8, 4.9, 5),
    "Diginetica, MRR": Parameters(1_500, 5_000, True, 4.9, 40, 4.9, 1.225, 10),
    "RSC15, HR": Parameters(2_000, 10_000, True, 4, 20, 0.5, 1, 2),
    "RSC15, MRR": Parameters(1_500, 10_000, True, 0.5, 5, 2, 2, 2),
}
"""What the authors found best for three shops, by hit rate and by MRR (their window protocol)."""


class Vstan:
    """VSTAN over sessions (at least one), asked for the next items of visits."""

    def __init__(self, sessions: Sequence[Session], parameters: Parameters) -> None:
        ordered = sorted(sessions, key=lambda session: session.ended)
        self.parameters = parameters
        ended = np.array([session.ended for session in ordered], np.int64)
        # Counted from the newest session, not from the visit: that is one factor for all.
        self._decays = np.exp((ended - ended[-1]) / MICROSECONDS_PER_DAY / parameters.by_age)
        lasts = [{item: place for place, item in enumerate(session.items)} for session in ordered]
        self._sizes = np.array([len(last) for last in lasts])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])
        self._items = np.array([item for last in lasts for item in last], np.int64)
        self._places = np.array([place for last in lasts for place in last.values()], np.float64)
        self._session_of = np.repeat(np.arange(len(ordered)), self._sizes)
        self._by_item = self._rows_by_item()
        self._idf = self._idf_of_items(ordered)

    def recommend(self, pasts: Sequence[Sequence[int]], k: int, *, novel: bool) -> Iterator[list[int]]:
        """The k best items for each visit (item numbers, oldest first), without those it holds if `novel`."""
        for past in pasts:
            items, scores = self._scored(past)
            if novel:
                new = ~np.isin(items, past)
                items, scores = items[new], scores[new]
            yield items[np.lexsort((items, -scores))[:k]].tolist()

    def _rows_by_item(self) -> dict[int, Numbers]:
        order = np.argsort(self._items, kind="stable")
        items, firsts = np.unique(self._items[order], return_index=True)
        return dict(zip(items.tolist(), np.split(order, firsts[1:]), strict=True))

    def _idf_of_items(self, sessions: Sequence[Session]) -> Numbers:
        """ln(sessions / steps on the item), for each row of `_items`."""
        steps = np.array([item for session in sessions for item in session.items], np.int64)
        items, counts = np.unique(steps, return_counts=True)
        idf: Numbers = np.log(len(sessions) / counts)[np.searchsorted(items, self._items)]
        return idf

    def _scored(self, past: Sequence[int]) -> tuple[Numbers, Numbers]:
        """Distinct items and their scores."""
        sessions, similarity, common, match = self._neighbours(past)
        if not len(sessions):
            return np.empty(0, np.int64), np.empty(0)
        sizes = self._sizes[sessions]
        rows = np.repeat(self._starts[sessions] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        decays = self.parameters
        vote = similarity * np.exp((match - len(past)) / decays.by_match)
        gap = np.abs(self._places[rows] - np.repeat(common, sizes))
        scores = np.repeat(vote, sizes) * np.exp(-gap / decays.by_gap) * (1 + self._idf[rows] * decays.idf)
        found = self._items[rows]
        # Counted instead of sorted: histories are long, and all of the neighbours' items are scored.
        items = np.flatnonzero(np.bincount(found))
        return items, np.bincount(found, weights=scores)[items]

    def _neighbours(self, past: Sequence[int]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """The most similar sessions, their similarity, where their last common item is, and where it is in the visit.

        The latter two are of different items: the last in the session, and the newest of the visit.
        """
        places = {item: place for place, item in enumerate(past, start=1)}
        held = [(self._by_item[item], place) for item, place in places.items() if item in self._by_item]
        if not held:
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing, nothing
        rows = np.concatenate([rows for rows, _ in held])
        seen = np.repeat([place for _, place in held], [len(rows) for rows, _ in held])
        weights = np.exp((seen - len(past)) / self.parameters.by_position)
        of_rows = self._session_of[rows]
        found = np.flatnonzero(np.bincount(of_rows))[-self.parameters.sample :]
        common_weight = np.bincount(of_rows, weights=weights)[found]
        similarity = common_weight / self._length(places, len(past), found) * self._decays[found]
        common, match = np.full(len(self._sizes), -1.0), np.zeros(len(self._sizes), np.int64)
        np.maximum.at(common, of_rows, self._places[rows])
        np.maximum.at(match, of_rows, seen)
        best = np.lexsort((-found, -similarity))[: self.parameters.neighbours]
        return found[best], similarity[best], common[found[best]], match[found[best]]

    def _length(self, places: Mapping[int, int], steps: int, sessions: Numbers) -> Numbers | float:
        if not self.parameters.cosine:
            return float(len(places))
        squares = sum(math.exp((place - steps) / self.parameters.by_position) ** 2 for place in places.values())
        lengths: Numbers = math.sqrt(squares) * np.sqrt(self._sizes[sessions])
        return lengths
