"""What counts as found of a hidden item's neighbours."""

import pyarrow as pa

from bench import quality_cold
from bench.quality_cold import SHOWN, TRUE, recalls, samples, without
from catalog.reading import ItemContent
from events.reading import INTERACTIONS
from recommendations.training import building

MANY = {f"i{n}": [f"n{m}" for m in range(TRUE)] for n in range(200)}


def test_recall_is_the_share_of_the_true_neighbours_that_is_shown() -> None:
    true = {"a": ["x", "y", "z", "w"], "b": ["x", "a"]}
    assert recalls({"a": ["q", "y", "x"], "b": ["x"]}, true, ["a"]) == [0.5]
    assert recalls({"a": [*(f"q{n}" for n in range(SHOWN)), "x"]}, true, ["a"]) == [0.0]
    assert recalls({}, true, ["a"]) == [0.0]


def test_neighbours_that_are_hidden_themselves_count_as_missed() -> None:
    true = {"a": ["x", "b"], "b": ["a"]}
    assert recalls({"a": ["x"], "b": []}, true, ["a", "b"]) == [0.5, 0.0]


def test_only_the_first_true_neighbours_are_asked_for() -> None:
    assert recalls({"a": ["x"]}, {"a": [*(f"t{n}" for n in range(TRUE)), "x"]}, ["a"]) == [0.0]


def test_samples_are_disjoint_of_items_with_enough_neighbours_and_the_same_each_time() -> None:
    drawn = samples({**MANY, "few": ["n1"]}, folds=4, share=0.1)
    assert [len(each) for each in drawn] == [20] * 4
    assert len({item for each in drawn for item in each} - {"few"}) == 80
    assert drawn == samples({**MANY, "few": ["n1"]}, folds=4, share=0.1)


def test_a_hidden_item_leaves_nothing_in_the_history_and_gets_a_list_by_its_text() -> None:
    """Two red mugs are bought with a saucer; one of them is hidden, and borrows the saucer from the other."""
    items = [
        ItemContent(n, item_id, title, "", (), "")
        for n, (item_id, title) in enumerate([("a", "Red mug"), ("b", "Red mug large"), ("s", "Saucer")], start=1)
    ]
    blank = dict.fromkeys(INTERACTIONS.names)
    rows = [
        {**blank, "visitor": f"v{n}", "order_id": f"o{n}", "type": "purchase", "item_id": item, "occurred_at": n}
        for n, order in enumerate(["as", "bs"] * 3)
        for item in order
    ]
    left = without(pa.Table.from_pylist(rows, INTERACTIONS), ["a"])
    assert set(left["item_id"].to_pylist()) == {"b", "s"}
    similar = quality_cold.lists(building.build(items, left)[0]["similar"], items)
    assert similar["a"] == ["s", "b"]
