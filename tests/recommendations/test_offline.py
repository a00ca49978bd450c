"""Strategies without a server: tables packed in memory, and what is ranked out of them."""

import ibis
import pyarrow as pa
import pytest

from recommendations.algorithms.types import NEIGHBOURS, RANKING
from recommendations.packing import SCALE, unpack
from recommendations.releases.modelstore import SCHEMA
from recommendations.releases.packed_tables import MemoryTables, in_memory, packed_lists
from recommendations.training.offline import packed_neighbours, packed_ranking, recommender
from recommendations.types import LISTS

Row = tuple[int, int, float]  # item, neighbour, score


def neighbours(*rows: Row) -> dict[int, bytes]:
    """The packed lists of rows that are in order."""
    ranks: dict[int, int] = {}
    given = []
    for item, neighbour, score in rows:
        ranks[item] = ranks.get(item, 0) + 1
        given.append({"item": item, "neighbour": neighbour, "score": score, "count": 70_000, "rank": ranks[item]})
    return packed_neighbours(ibis.memtable(pa.Table.from_pylist(given, NEIGHBOURS.to_pyarrow()), schema=NEIGHBOURS))


def test_lists_are_packed_by_item_and_scaled_to_the_best_of_all() -> None:
    lists = neighbours((2, 9, 0.25), (2, 8, 0.125), (1, 7, 0.5))
    assert unpack(lists[2]) == [(9, SCALE / 2, 65_535), (8, SCALE / 4, 65_535)]
    assert unpack(lists[1]) == [(7, SCALE, 65_535)]
    assert neighbours() == {}


def test_a_ranking_is_one_list() -> None:
    rows = [{"item": item, "score": 4.0 / rank, "count": 3, "rank": rank} for item, rank in ((5, 1), (6, 2))]
    ranking, nothing = (ibis.memtable(pa.Table.from_pylist(each, RANKING.to_pyarrow())) for each in (rows, []))
    assert unpack(packed_ranking(ranking)) == [(5, SCALE, 3), (6, SCALE / 2, 3)]
    assert packed_ranking(nothing) == b""


def test_a_models_tables_are_asked_by_number() -> None:
    rows = [("a", 1, 2, 1.0, 1), ("gone", 1, 3, 1.0, 1)]
    table = pa.table([*map(list, zip(*rows, strict=True))], ["key", "rank", "item", "score", "count"])
    table = table.select(SCHEMA.names).cast(SCHEMA)
    found = in_memory({"coview": table, LISTS: table, "repurchases": table}, {"a": 7, "new": 8})
    (of_a, of_new) = found.lists("coview", [7, 8])
    assert (unpack(of_a), of_new) == ([(2, SCALE, 1)], None)
    assert unpack(found.shop_list("gone")) == [(3, SCALE, 1)]
    assert found.shop_list("popular") is None
    with pytest.raises(KeyError):
        found.lists("repurchases", [7])
    assert list(packed_lists(table.slice(0, 0))) == []


COVIEW = MemoryTables({"coview": neighbours((1, 2, 1.0), (1, 3, 0.5), (2, 1, 1.0), (2, 4, 0.25))})


def test_slates_leave_out_what_the_past_holds_only_where_they_are_novel() -> None:
    pasts = [(1, 2), (9,), (2,)]
    novel, plain = (recommender("also_viewed", COVIEW, 2, novel=novel) for novel in (True, False))
    assert list(novel(pasts)) == [[3, 4], [], [1, 4]]
    assert list(plain(pasts))[2] == [1, 4]
    assert list(recommender("also_viewed", COVIEW, 1, novel=True)([(1,)])) == [[2]]


def test_what_cannot_be_ranked_is_said() -> None:
    with pytest.raises(KeyError):
        recommender("psychic", COVIEW, 2, novel=True)
    with pytest.raises(ValueError, match="trending depends on the moment"):
        list(recommender("trending", COVIEW, 2, novel=True)([(1,)]))
