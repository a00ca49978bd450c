import ibis
import pyarrow as pa
import pytest

from recommendations.algorithms.content import ContentParams, similar, two_hop
from recommendations.algorithms.types import NEIGHBOURS, CatalogItem
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import lists


def neighbour_table(*rows: tuple[int, int, float, int]) -> ibis.Table:
    """NEIGHBOURS from (item, neighbour, score, rank), each seen seven times."""
    records = [
        {"item": item, "neighbour": neighbour, "score": score, "count": 7, "rank": rank}
        for item, neighbour, score, rank in rows
    ]
    return ibis.memtable(pa.Table.from_pylist(records, NEIGHBOURS.to_pyarrow()), schema=NEIGHBOURS)


def test_a_catalogue_of_three_works(run: Run) -> None:
    items = [CatalogItem(1, "Red mug"), CatalogItem(2, "Blue mug"), CatalogItem(3, "Garden chair")]
    found = lists(run(similar(items)))
    assert {item: {other: row.count for other, row in near.items()} for item, near in found.items()} == {
        1: {2: 1},
        2: {1: 1},
    }


def test_equal_texts_are_fully_alike(run: Run) -> None:
    found = lists(run(similar([CatalogItem(1, "Red mug"), CatalogItem(2, "RED MUG"), CatalogItem(3, "Red chair")])))
    assert found[1][2].score == pytest.approx(1)
    assert found[1][2].count == 3
    assert 0 < found[1][3].score < 1


def test_reads_every_field(run: Run) -> None:
    items = [
        CatalogItem(1, "alpha", "beta", ("Home > Gamma", "Home > Delta"), "epsilon"),
        CatalogItem(2, "", "beta"),
        CatalogItem(3, "", categories=("gamma",)),
        CatalogItem(4, "", categories=("delta",)),
        CatalogItem(5, "", attributes="epsilon"),
        CatalogItem(6, "alpha"),
    ]
    assert set(lists(run(similar(items)))[1]) == {2, 3, 4, 5, 6}


def test_no_word_pair_spans_two_fields(run: Run) -> None:
    items = [CatalogItem(1, "dark red"), CatalogItem(2, "dark", "red")]
    assert lists(run(similar(items)))[1][2].count == 2


def test_terms_of_most_items_say_nothing_in_a_large_catalogue(run: Run) -> None:
    items = [CatalogItem(n, f"mug design{n // 2}") for n in range(60)]
    found = lists(run(similar(items, ContentParams(max_share=0.5, common_from=10))))
    assert {item: set(near) for item, near in found.items()} == {n: {n ^ 1} for n in range(60)}


def test_identical_titles_of_a_large_catalogue_leave_nothing_to_compare(run: Run) -> None:
    items = [CatalogItem(n, "mug") for n in range(20)]
    assert run(similar(items, ContentParams(common_from=10))).num_rows == 0


@pytest.mark.parametrize("title", ["", "!!!", "a"])
def test_items_without_words_have_no_neighbours(run: Run, title: str) -> None:
    assert run(similar([CatalogItem(1, title), CatalogItem(2, title)])).num_rows == 0


def test_duplicates_beyond_k_go_to_the_smaller_items(run: Run) -> None:
    items = [CatalogItem(n, "red mug") for n in range(40)]
    found = lists(run(similar(items, ContentParams(k=3))))
    assert list(found[0]) == [1, 2, 3]
    assert all(list(near) == [0, 1, 2] for item, near in found.items() if item > 2)


def test_compares_only_among_the_given_items(run: Run) -> None:
    items = [CatalogItem(n, "red mug") for n in (1, 2, 3, 4)]
    found = lists(run(similar(items, among={2, 4, 99})))
    assert {item: set(near) for item, near in found.items()} == {1: {2, 4}, 2: {4}, 3: {2, 4}, 4: {2}}


def test_compares_with_nothing_among_none(run: Run) -> None:
    assert run(similar([CatalogItem(1, "red mug"), CatalogItem(2, "red mug")], among=())).num_rows == 0


def test_an_item_given_twice_counts_as_last_given(run: Run) -> None:
    items = [CatalogItem(1, "garden chair"), CatalogItem(2, "red mug"), CatalogItem(1, "red mug")]
    assert lists(run(similar(items)))[1][2].score == pytest.approx(1)


def test_two_hops_by_hand(run: Run) -> None:
    content = neighbour_table((9, 1, 0.8, 1), (9, 2, 0.4, 2), (1, 2, 0.9, 1))
    warm = neighbour_table((1, 3, 2.0, 1), (1, 4, 1.0, 2), (2, 4, 5.0, 1), (2, 1, 5.0, 2))
    # Borrowed: 3: .64·1; 4: .64·.5 + .16·1; 1: .16·1; the largest is .64. Text: 1: .8, 2: .4; the largest is .8.
    expected = {3: 0.7, 4: 0.7 * 0.75, 1: 0.3 + 0.7 * 0.25, 2: 0.3 * 0.5}
    found = lists(run(two_hop(content, warm)))
    assert set(found) == {9}
    assert {other: row.score for other, row in found[9].items()} == pytest.approx(expected, rel=1e-6)
    assert {other: row.count for other, row in found[9].items()} == {3: 0, 4: 0, 1: 7, 2: 7}


def test_two_hops_borrow_from_the_nearest_items_only(run: Run) -> None:
    content = neighbour_table((9, 5, 0.9, 1), (9, 1, 0.8, 2), (9, 2, 0.4, 3))
    warm = neighbour_table((1, 3, 2.0, 1), (2, 4, 5.0, 1))
    assert set(lists(run(two_hop(content, warm, ContentParams(hops=1))))[9]) == {5, 1, 2, 3}


def test_two_hops_never_lead_back(run: Run) -> None:
    content = neighbour_table((9, 1, 0.9, 1))
    assert set(lists(run(two_hop(content, neighbour_table((1, 9, 2.0, 1), (1, 3, 1.0, 2)))))[9]) == {1, 3}


def test_without_any_list_the_text_remains(run: Run) -> None:
    found = lists(run(two_hop(neighbour_table((9, 1, 0.8, 1), (1, 9, 0.8, 1)), neighbour_table())))
    assert {item: set(near) for item, near in found.items()} == {9: {1}, 1: {9}}
