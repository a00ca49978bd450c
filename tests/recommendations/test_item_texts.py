"""The texts of items out of a file of any kind that imports take, or Parquet."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recomengine.lib.errors import DomainError
from recommendations.algorithms.types import CatalogItem
from recommendations.logs import item_texts
from tests.recommendations.logs import written

MUG = CatalogItem(5, "Blue mug", "Acme", ("Kitchen > Mugs", "Gifts"), "clay")
POT = CatalogItem(9, "Iron pot")


def contents(path: Path) -> list[CatalogItem]:
    items = item_texts.read(path)
    assert [item.item_id for item in items] == ["7", "8"]
    return item_texts.as_content(items, [5, 9])


def csv(path: Path) -> Path:
    path.write_text(
        "id,title,brand,categories,attributes.material\n7,Blue mug,Acme,Kitchen > Mugs|Gifts,clay\n8,Iron pot,,,\n"
    )
    return path


def json_lines(path: Path) -> Path:
    mug = {"item_id": "7", "title": "Blue mug", "brand": "Acme", "categories": ["Kitchen > Mugs", "Gifts"],
           "attributes": {"material": "clay"}}  # fmt: skip
    path.write_text(
        "\n".join(map(json.dumps, [{"item_id": 7, "title": "Old"}, mug, {"item_id": 8, "title": "Iron pot"}]))
    )
    return path


def parquet(path: Path) -> Path:
    columns = {
        "item_id": pa.array([7.0, 8.0]),
        "title": pa.array(["Blue mug", "Iron pot"]).dictionary_encode(),
        "brand": ["Acme", None],
        "categories": [["Kitchen > Mugs", "Gifts"], None],
        "material": ["clay", None],
        "price": [9.95, float("nan")],
    }
    return written(path, columns)


@pytest.mark.parametrize("write", [csv, json_lines, parquet])
def test_files_of_any_kind_say_the_same(tmp_path: Path, write: Any) -> None:
    assert contents(write(tmp_path / "items")) == [MUG, POT]


def test_a_directory_of_tables_is_one_catalogue(tmp_path: Path) -> None:
    for number, title in (7, "Blue mug"), (8, "Iron pot"):
        written(tmp_path / "items" / f"{number}.parquet", {"item_id": [number], "title": [title]})
    assert contents(tmp_path / "items") == [CatalogItem(5, "Blue mug"), POT]


@pytest.mark.parametrize(
    ("content", "code", "complaint"),
    [
        (b"", "unknown_format", "no feed of a kind that imports take, and no Parquet file"),
        (b"\x00\x01\x02", "unknown_format", "no feed"),
        (b"id,name\n", "invalid", "holds no item"),
        (b"sku,colour\n1,red\n", "invalid", "No column is mapped to `title`"),
        (b"id,title\n1,Mug\n2,\n", "invalid", "row 3: The row has no `title`"),
        (b'{"item_id": "1", "title": "Mug"}\n{"item_id": "2"', "invalid", "row 2"),
        (b"id,title,price\n1,Mug,\x1b[31mmuch\n", "invalid", "(price: \ufffd[31mmuch)"),
        (b"PAR1 and no more", "invalid", "no Parquet file that can be read"),
    ],
)
def test_files_that_hold_no_items_are_refused(tmp_path: Path, content: bytes, code: str, complaint: str) -> None:
    (tmp_path / "items").write_bytes(content)
    with pytest.raises(DomainError) as caught:
        item_texts.read(tmp_path / "items")
    assert (caught.value.code, complaint in caught.value.detail) == (code, True), caught.value.detail


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"item_id": [1]}, "no column title; it has item_id. Items need item_id and title."),
        ({"item_id": [1, None], "title": ["Mug", "Pot"]}, "row 2: The row has no `item_id`"),
        ({"item_id": [1.5], "title": ["Mug"]}, "not understood"),
        ({"item_id": ["a\tb"], "title": ["Mug"]}, "row 1: An id is 1 to 128 printable ASCII characters"),
        ({"item_id": pa.array([], pa.string()), "title": pa.array([], pa.string())}, "holds no item"),
    ],
)
def test_tables_that_hold_no_items_are_refused(tmp_path: Path, columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DomainError) as caught:
        item_texts.read(written(tmp_path / "items", columns))
    assert complaint in caught.value.detail


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="cannot be read: No such file"):
        item_texts.read(tmp_path / "nowhere")
