import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.algorithms.scoring import ENTRY, Scored, merge
from tests.recommendations.algorithms.references import NeighbourList, score_history


def packed(neighbours: NeighbourList) -> bytes:
    return np.array(list(neighbours), ENTRY).tobytes()


def merged(lists: list[NeighbourList], weights: list[float], **options: int | list[int]) -> list[Scored]:
    return merge([packed(rows) for rows in lists], weights, **options)


def test_two_lists_by_hand() -> None:
    lists = [[(1, 4.0, 10), (2, 1.0, 20)], [(2, 8.0, 30), (3, 2.0, 40)]]
    assert merged(lists, [1.0, 0.5]) == [
        Scored(2, 5.0, because_of=1, evidence=30),
        Scored(1, 4.0, because_of=0, evidence=10),
        Scored(3, 1.0, because_of=1, evidence=40),
    ]


def test_ties_go_to_the_smaller_item_and_the_newer_anchor() -> None:
    lists = [[(9, 1.0, 1), (4, 1.0, 1)], [(7, 1.0, 2), (4, 1.0, 2), (9, 1.0, 2)]]
    assert merged(lists, [1.0, 1.0]) == [
        Scored(4, 2.0, 0, 1),
        Scored(9, 2.0, 0, 1),
        Scored(7, 1.0, 1, 2),
    ]


def test_seen_items_are_not_proposed() -> None:
    assert merged([[(1, 1.0, 1), (2, 0.5, 1)]], [1.0], exclude=[1, 99]) == [Scored(2, 0.5, 0, 1)]


def test_the_limit_keeps_the_best() -> None:
    assert [found.item for found in merged([[(1, 1.0, 1), (2, 3.0, 1), (3, 2.0, 1)]], [1.0], limit=2)] == [2, 3]


@pytest.mark.parametrize("lists", [[], [[]], [[], []]])
def test_unknown_anchors_propose_nothing(lists: list[NeighbourList]) -> None:
    assert merged(lists, [1.0] * len(lists)) == []


def test_every_anchor_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="zip"):
        merged([[(1, 1.0, 1)]], [1.0, 0.5])


# Scores and weights that half floats and sums hold exactly, so that both forms must agree to the last bit.
EXACT = st.integers(0, 64).map(lambda n: n / 8)
LISTS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 30), EXACT, st.integers(0, 65_535)), max_size=12, unique_by=lambda row: row[0]
        ),
        st.sampled_from([1.0, 0.5, 0.25]),
    ),
    max_size=6,
)


@given(lists=LISTS, exclude=st.sets(st.integers(0, 30), max_size=5), limit=st.integers(0, 40))
def test_packed_lists_merge_to_the_same(
    lists: list[tuple[NeighbourList, float]], exclude: set[int], limit: int
) -> None:
    neighbours, weights = [pair[0] for pair in lists], [pair[1] for pair in lists]
    expected = score_history(neighbours, weights, exclude, limit)
    assert merge([packed(rows) for rows in neighbours], weights, exclude, limit) == expected


@given(lists=LISTS, limit=st.integers(1, 40))
def test_scores_add_up_over_the_anchors(lists: list[tuple[NeighbourList, float]], limit: int) -> None:
    parts = [
        (item, score * weight, index, count)
        for index, (rows, weight) in enumerate(lists)
        for item, score, count in rows
    ]
    totals = {item: sum(part[1] for part in parts if part[0] == item) for item, *_ in parts}
    found = merged([pair[0] for pair in lists], [pair[1] for pair in lists], limit=limit)
    assert [(row.item, row.score) for row in found] == sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[
        :limit
    ]
    for row in found:
        best = max((part for part in parts if part[0] == row.item), key=lambda part: (part[1], -part[2]))
        assert (row.because_of, row.evidence) == (best[2], best[3])


def test_packed_anchors_without_neighbours_propose_nothing() -> None:
    assert merge([None, b""], [1.0, 0.5]) == []
    assert merge([None, packed([(5, 2.0, 3)])], [1.0, 0.5]) == [Scored(5, 1.0, because_of=1, evidence=3)]


@pytest.mark.parametrize(
    ("lists", "weights"), [([packed([(1, 1.0, 1)])], [1.0, 0.5]), ([b"", b""], [1.0]), ([b"123"], [1.0])]
)
def test_packed_lists_must_be_whole_and_weighted(lists: list[bytes], weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"zip|buffer"):
        merge(lists, weights)
