"""Neighbour lists as bytes: what goes in comes out, in order, to three digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations import packing

ENTRIES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.floats(0, packing.SCALE, width=32), st.integers(0, 2**40)), max_size=60
)


def pack(entries: list[tuple[int, float, int]]) -> bytes:
    items, scores, evidence = zip(*entries, strict=True) if entries else ((), (), ())
    return packing.pack(np.array(items, np.int64), np.array(scores, np.float64), np.array(evidence, np.int64))


@given(ENTRIES)
def test_items_order_and_evidence_come_back_and_scores_to_three_digits(entries: list[tuple[int, float, int]]) -> None:
    packed = pack(entries)
    assert len(packed) == 8 * len(entries)
    unpacked = list(packing.unpack(packed))
    assert [entry[0] for entry in unpacked] == [entry[0] for entry in entries]
    assert [entry[2] for entry in unpacked] == [min(entry[2], 0xFFFF) for entry in entries]
    for (_, score, _), (_, kept, _) in zip(entries, unpacked, strict=True):
        assert kept == pytest.approx(score, rel=2**-11, abs=2**-25)


@given(ENTRIES)
def test_a_better_score_never_comes_back_as_a_worse_one(entries: list[tuple[int, float, int]]) -> None:
    best_first = sorted(entries, key=lambda entry: -entry[1])
    scores = [entry[1] for entry in packing.unpack(pack(best_first))]
    assert scores == sorted(scores, reverse=True)


def test_the_bytes_are_as_documented() -> None:
    """uint32, float16, uint16, little-endian: other programs may read them."""
    assert pack([(1, 1.0, 2), (0xFFFFFFFF, 1024.0, 70_000)]).hex() == "01000000003c0200ffffffff0064ffff"


@pytest.mark.parametrize("missing", [None, b""])
def test_a_missing_list_is_empty(missing: bytes | None) -> None:
    assert list(packing.unpack(missing)) == []


@pytest.mark.parametrize("item", [2**32, 2**40])
def test_an_item_that_does_not_fit_is_refused(item: int) -> None:
    with pytest.raises(OverflowError):
        pack([(item, 1.0, 1)])
