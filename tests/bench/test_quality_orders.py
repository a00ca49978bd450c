"""Which orders are held out, and what is asked of them."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from bench.quality_orders import DRAWS, cases, newest_tenth, random_tenth
from recomengine.demo.gift_shop import LINES_SCHEMA

FIRST = datetime(2011, 1, 1)


def lines_of(*orders: tuple[str, int, str]) -> pa.Table:
    """Order lines from (order, its day, its items), an item a letter; the lines of an order an hour apart."""
    rows = [
        {"invoice": order, "item_id": item, "invoice_date": FIRST + timedelta(days=day, hours=hour), "quantity": 1}
        for order, day, items in orders
        for hour, item in enumerate(items)
    ]
    return pa.Table.from_pylist([dict.fromkeys(LINES_SCHEMA.names) | row for row in rows], LINES_SCHEMA)


def test_whole_orders_are_held_out_the_newest_or_any() -> None:
    lines = lines_of(*((f"o{19 - n}", n, "abc") for n in range(20)))
    newest = lines.filter(pa.array(newest_tenth(lines)))
    assert sorted(newest["invoice"].to_pylist()) == ["o0"] * 3 + ["o1"] * 3
    drawn = lines.filter(pa.array(random_tenth(lines)))["invoice"].to_pylist()
    assert len(drawn) == 6
    assert len(set(drawn)) == 2
    assert not np.array_equal(random_tenth(lines, seed=1), random_tenth(lines, seed=2))


def test_an_order_of_several_items_is_asked_from_one_item_and_for_one_item() -> None:
    numbers = {"a": 1, "b": 2, "c": 3}
    single, cart = cases(lines_of(("o1", 0, "abca"), ("o2", 0, "a")), numbers)
    assert len(single) == len(cart) == DRAWS
    for one, rest in zip(single, cart, strict=True):
        assert set(one.prefix) | one.targets == {1, 2, 3}
        assert len(one.prefix) == 1
        assert rest.targets == set(one.prefix)
        assert frozenset(rest.prefix) == one.targets
        assert {one.unit, rest.unit} == {"o1"}
