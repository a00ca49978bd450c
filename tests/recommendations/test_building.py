"""A model is built from events in memory or in files, whichever they come in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from catalog.reading import ItemContent
from events.reading import INTERACTIONS
from recommendations.training import building

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [ItemContent(n, f"item-{n}", f"Mug number{n}", "Acme", ("Kitchen > Mugs",), "") for n in range(1, 7)]


def view(visitor: int, item: str, minute: int) -> dict[str, Any]:
    moment = START + timedelta(minutes=minute)
    return {"visitor": f"v{visitor}", "type": "view", "item_id": item, "occurred_at": moment, "session": None}


def events() -> pa.Table:
    rows = [view(visitor, f"item-{1 + (visitor * n) % 6}", n) for visitor in range(12) for n in range(8)]
    return pa.Table.from_pylist([*rows, view(1, "unknown", 1), view(2, "gone", 9)], INTERACTIONS)


def several(directory: Path) -> Path:
    for number in range(3):
        parquet.write_table(events().slice(number * 40, 40), directory / f"{number}.parquet")
    return directory


def one(directory: Path) -> Path:
    parquet.write_table(events(), directory / "all.parquet")
    return directory / "all.parquet"


@pytest.mark.parametrize("written", [several, one])
def test_files_give_the_same_model_as_memory(tmp_path: Path, written: Any) -> None:
    files = written(tmp_path)
    expected, said = building.build(ITEMS, events())
    built, says = building.build(ITEMS, files)
    assert built == expected
    assert says == said
    assert says["events_of_unknown_items"] == 2
    assert expected["coview"].num_rows > 10
    assert building.visitors_of_items(ITEMS, files) == building.visitors_of_items(ITEMS, events())


def test_a_file_without_events_is_a_shop_without_events(tmp_path: Path) -> None:
    parquet.write_table(INTERACTIONS.empty_table(), tmp_path / "none.parquet")
    built, says = building.build(ITEMS, tmp_path)
    assert (built["coview"].num_rows, says["events_of_unknown_items"]) == (0, 0)
    assert built["similar"].num_rows > 0
    assert building.visitors_of_items(ITEMS, tmp_path) == {}


def test_counts_the_visitors_of_an_item() -> None:
    rows = [view(1, "item-1", 0), view(1, "item-1", 5), view(2, "item-1", 1), view(2, "item-2", 2)]
    old = view(3, "item-1", -91 * 1440)
    assert building.visitors_of_items(ITEMS, pa.Table.from_pylist([*rows, old], INTERACTIONS)) == {1: 2, 2: 1}
