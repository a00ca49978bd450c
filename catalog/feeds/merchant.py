"""Google Merchant's names and conventions, which its XML and its text feeds share.

Source: the Merchant Center's product data specification.
"""

import csv
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

GOOGLE: Final = "http://base.google.com/ns/1.0"
OURS: Final = "urn:recomengine:feed:1"  # the elements that Merchant has no place for

# An item's field → Merchant's column.
COLUMNS: Final = {
    "item_id": "id", "title": "title", "description": "description", "url": "link", "image_url": "image_link",
    "availability": "availability", "price": "price", "sale_price": "sale_price", "brand": "brand",
    "categories": "product_type", "group_id": "item_group_id", "expires_at": "expiration_date",
}  # fmt: skip

# Attributes that Merchant has columns for; a text under such a name is written there.
ATTRIBUTES: Final = (
    "gtin", "mpn", "condition", "color", "size", "material", "pattern", "gender", "age_group",
    "google_product_category",
)  # fmt: skip

_LISTS: Final = frozenset({"product_type", "additional_image_link"})
# Names hold commas ("Shoes, Bags & Belts") far more often than unquoted lists hold one with a space behind it.
_COMMA: Final = re.compile(r",(?!\s)")


@lru_cache(10_000)
def column_name(header: str) -> str:
    """Merchant's name of a column, however a text feed spells it: "Image link", "g:image_link" → `image_link`."""
    return re.sub(r"[\s-]+", "_", header.strip().removeprefix("g:").strip()).lower()


def text_header(names: Iterable[str], _: int) -> list[str]:
    """The columns of a text feed, whose first line may name one several times."""
    return list(dict.fromkeys(map(column_name, names)))


def text_columns(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A text feed's row: repeated columns become lists, and so does what Merchant has several of in one cell."""
    columns: dict[str, Any] = {}
    for header, cell in pairs:
        if cell:
            name = column_name(header)
            add(columns, name, listed(cell) if name in _LISTS else cell)
        else:
            columns.setdefault(column_name(header), "")
    if isinstance(columns.get("product_detail"), str):
        columns["product_detail"] = _details_of_text(columns["product_detail"])
    return columns


def add(columns: dict[str, Any], name: str, value: Any) -> None:
    """Put a value into its column; a second one makes it a list."""
    before = columns.get(name, "")
    if before == "":
        columns[name] = value
    else:
        columns[name] = [*_as_list(before), *_as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def listed(cell: str) -> list[str]:
    """The values of a cell: quoted ones with a comma between, else parted at commas that no space follows."""
    if cell.lstrip().startswith('"'):
        try:
            values = next(csv.reader([cell.strip()], skipinitialspace=True, strict=True), [])
        except csv.Error:
            values = [cell]
    else:
        values = _COMMA.split(cell)
    return [value for value in values if value.strip()]


def unlisted(values: list[str]) -> str:
    """The cell that `listed` reads as these values."""
    if len(values) == 1 and "," not in values[0] and not values[0].lstrip().startswith('"'):
        return values[0]
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


def _details_of_text(cell: str) -> Any:
    """`section:name:value` entries as name → value; the cell as it is if it holds anything else."""
    parts = [entry.split(":", 2) for entry in listed(cell)]
    if not all(len(part) == 3 for part in parts):
        return cell
    return details({"section_name": part[0], "attribute_name": part[1], "attribute_value": part[2]} for part in parts)


def details(entries: Iterable[dict[str, str]]) -> dict[str, Any]:
    """`product_detail` elements as name → value; values of one name become a list."""
    found: dict[str, Any] = {}
    for entry in entries:
        name = entry.get("attribute_name", "").strip() or entry.get("section_name", "").strip()
        value = entry.get("attribute_value", "").strip()
        if name and value:
            add(found, name, value)
    return found
