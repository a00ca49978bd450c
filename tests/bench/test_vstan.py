"""VSTAN by hand, and against a plain transcription of its formulas."""

import math
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.vstan import MICROSECONDS_PER_DAY, PUBLISHED, Parameters, Session, Vstan

FLAT = Parameters(10, 10, cosine=False, by_position=1e9, by_age=1e9, by_gap=1e9, by_match=1e9, idf=0)
ITEMS = st.integers(1, 8)
SESSIONS = st.lists(st.lists(ITEMS, min_size=2, max_size=6), min_size=1, max_size=12)


def made(*sessions: Sequence[int], days: float = 1.0) -> list[Session]:
    """Sessions that ended one after the other."""
    return [Session(int(n * days * MICROSECONDS_PER_DAY), tuple(items)) for n, items in enumerate(sessions)]


def best(sessions: list[Session], parameters: Parameters, past: Sequence[int], *, novel: bool = True) -> list[int]:
    return next(iter(Vstan(sessions, parameters).recommend([past], 5, novel=novel)))


def plain(sessions: list[Session], of: Parameters, past: Sequence[int]) -> dict[int, float]:
    """The scores, session by session and item by item."""
    last = {item: place for place, item in enumerate(past, start=1)}
    weights = {item: math.exp((place - len(past)) / of.by_position) for item, place in last.items()}
    related = [session for session in sessions if set(session.items) & set(past)][-of.sample :]
    similar = []
    for number, session in enumerate(related):
        common = sum(weights[item] for item in set(session.items) & set(past))
        length = math.sqrt(sum(weight**2 for weight in weights.values())) * math.sqrt(len(set(session.items)))
        age = (sessions[-1].ended - session.ended) / MICROSECONDS_PER_DAY
        similar.append((common / (length if of.cosine else len(last)) * math.exp(-age / of.by_age), number, session))
    scores: defaultdict[int, float] = defaultdict(float)
    for similarity, _, session in sorted(similar, key=lambda each: each[:2], reverse=True)[: of.neighbours]:
        at = max(place for place, item in enumerate(session.items) if item in last)
        match = math.exp((max(last[item] for item in session.items if item in last) - len(past)) / of.by_match)
        for item, place in {item: place for place, item in enumerate(session.items)}.items():
            steps = sum(each.items.count(item) for each in sessions)
            idf = 1 + of.idf * math.log(len(sessions) / steps)
            scores[item] += similarity * match * math.exp(-abs(place - at) / of.by_gap) * idf
    return scores


def test_the_sessions_with_most_in_common_vote() -> None:
    sessions = made([1, 2, 7], [1, 5], [8, 9])
    assert best(sessions, FLAT, (1, 2)) == [7, 5]
    assert best(sessions, FLAT, (1, 2), novel=False) == [1, 2, 7, 5]
    assert best(sessions, FLAT, (3,)) == []


@pytest.mark.parametrize(
    ("changed", "first"),
    [({}, 4), ({"by_age": 0.5}, 6), ({"by_position": 0.5}, 6), ({"neighbours": 1}, 6), ({"sample": 1}, 6)],
)
def test_each_decay_turns_the_order(changed: dict[str, float], first: int) -> None:
    """Two old sessions of the first item lead to 4, a new one of the second to 6."""
    parameters = Parameters(**{**{name: getattr(FLAT, name) for name in FLAT.__slots__}, **changed})
    assert best(made([1, 4], [1, 4], [2, 6]), parameters, (1, 2))[0] == first


@given(SESSIONS, st.lists(ITEMS, min_size=1, max_size=5), st.sampled_from(sorted(PUBLISHED)), st.booleans())
def test_it_is_what_the_formulas_say(sessions: list[list[int]], past: list[int], name: str, small: bool) -> None:
    published = PUBLISHED[name]
    of = published if not small else Parameters(2, 3, published.cosine, 1.5, 2.0, 1.0, 0.7, published.idf)
    log = made(*sessions)
    scores = plain(log, of, past)
    found = next(iter(Vstan(log, of).recommend([past], 8, novel=False)))
    assert set(found) == set(scores)
    assert [scores[item] for item in found] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-9)
