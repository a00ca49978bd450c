"""A feed's columns onto an item's fields: the proposal, and the shop's changes to it."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from catalog.feeds.types import Format, Mapping, Target
from catalog.types import ItemIn
from recomengine.lib.feeds.names import spelled
from recomengine.lib.feeds.types import FeedBroken, Look, shown

ATTRIBUTE: Final = "attributes."
PERIOD: Final = "sale_price_effective_date"
FIELDS: Final = (*ItemIn.__struct_fields__, PERIOD)
"""What a column can be mapped to, besides `attributes.<name>` and `""`."""

_REQUIRED: Final = tuple(field.name for field in msgspec.structs.fields(ItemIn) if field.required)
_LISTED: Final = 50  # columns that a message names

# The names that columns have for an item's fields, spelled as `spelled` does; of several columns in a feed that which
# stands first here is the field, the others are attributes.
_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "item_id": ("item_id", "id", "product_id", "offer_id", "sku", "article_number", "item_number"),
    "title": ("title", "name", "product_name", "product_title", "item_name"),
    "description": ("description", "body_html", "long_description", "summary", "content", "short_description"),
    "url": ("url", "link", "product_url", "product_link", "item_url", "canonical_link", "permalink"),
    "image_url": ("image_url", "image_link", "image", "images", "main_image", "picture", "photo", "thumbnail"),
    "price": ("price", "regular_price", "list_price", "unit_price"),
    "sale_price": ("sale_price", "special_price", "discounted_price", "discount_price"),
    "sale_starts_at": ("sale_starts_at", "sale_start", "sale_price_start_date", "date_on_sale_from"),
    "sale_ends_at": ("sale_ends_at", "sale_end", "sale_price_end_date", "date_on_sale_to"),
    PERIOD: (PERIOD,),
    "currency": ("currency", "currency_code", "price_currency"),
    "availability": ("availability", "stock_status", "in_stock", "available", "is_in_stock"),
    "brand": ("brand", "vendor", "manufacturer", "brand_name"),
    "categories": ("categories", "product_type", "category", "category_path", "google_product_category"),
    "attributes": ("attributes",),
    "group_id": ("group_id", "item_group_id", "parent_id", "parent_sku", "product_group_id"),
    "published_at": ("published_at", "published", "publish_date", "date_published", "pub_date"),
    "expires_at": ("expires_at", "expiration_date", "expiry_date", "expires"),
}
_RANKED: Final = {name: (field, rank) for field, names in _SYNONYMS.items() for rank, name in enumerate(names)}
# Columns that hold an object of attributes, in the formats that have them.
_OBJECTS: Final = {
    Format.SHOPIFY: "options",
    Format.MERCHANT_XML: "product_detail",
    Format.MERCHANT_TSV: "product_detail",
}


def proposed(columns: Iterable[str], format: Format) -> Mapping:
    """Where these columns go if nobody says otherwise; every one of them goes somewhere.

    Spelling does not matter (`Image Link`, `image-link`, `imageLink`). What is no field's name becomes an attribute.
    """
    best: dict[str, tuple[int, str]] = {}
    names = list(columns)
    for column in names:
        field, rank = _RANKED.get(spelled(column), ("", 0))
        if field and (field not in best or rank < best[field][0]):
            best[field] = rank, column
    taken = {column: field for field, (_, column) in best.items()}
    if _OBJECTS.get(format) in names:
        taken[_OBJECTS[format]] = "attributes"
    return {column: Target(taken.get(column) or as_attribute(column)) for column in names}


def as_attribute(column: str) -> str:
    """The target of a column that is kept as an attribute under its own name."""
    return column if column.startswith(ATTRIBUTE) and column != ATTRIBUTE else ATTRIBUTE + column


def check(mapping: Mapping) -> None:
    """Raises ValueError for a target that does not exist, and for a field that two columns are mapped to."""
    taken: dict[str, str] = {}
    for column, target in mapping.items():
        field = target.field
        if "\x00" in column or "\x00" in field:
            raise ValueError("No name of a column or an attribute holds a NUL character.")
        if (field.startswith(ATTRIBUTE) and field != ATTRIBUTE) or field in {"", "attributes", "categories"}:
            continue
        if field not in FIELDS:
            message = f"The column `{column}` is mapped to `{field}`, which is no field of an item; there are"
            raise ValueError(f"{message} {', '.join(FIELDS)} and attributes.<name>.")
        if field in taken:
            raise ValueError(f"The columns `{taken[field]}` and `{column}` are both mapped to `{field}`.")
        taken[field] = column


def merged(columns: Iterable[str], format: Format, chosen: Mapping) -> Mapping:
    """The proposal with what the shop has chosen; a column whose field was chosen for another becomes an attribute.

    `chosen` was checked; its columns may be spelled in another way than the feed's.
    """
    names = list(columns)
    taken = {column: chosen[name] for name, column in _found_of(names, chosen).items()}
    fields = {target.field for target in chosen.values()}
    found = proposed((column for column in names if column not in taken), format)
    for column, target in found.items():
        if target.field in fields and target.field not in {"attributes", "categories"}:
            found[column] = Target(as_attribute(column))
    return {column: taken.get(column) or found[column] for column in names}


def _found_of(columns: Sequence[str], chosen: Mapping) -> dict[str, str]:
    """The feed's column for each that the mapping names: the very same, else the one that is spelled alike."""
    alike = {spelled(column): column for column in reversed(columns) if column not in chosen}
    found = {name: name if name in columns else alike.get(spelled(name)) for name in chosen}
    return {name: column for name, column in found.items() if column is not None}


def complete(format: Format, chosen: Mapping) -> Look:
    """A look at a table's columns that raises FeedBroken (`missing_column`) if no row can become an item, or if the
    mapping names a column that is not there: every item would lose what it held.
    """

    def look(columns: Sequence[str]) -> None:
        mapped = {target.field for target in merged(columns, format, chosen).values()}
        missing = [field for field in _REQUIRED if field not in mapped]
        found = _found_of(columns, chosen)
        absent = [name for name, target in chosen.items() if target.field and name not in found]
        if missing or absent:
            raise FeedBroken("missing_column", _missing(missing, absent, columns), 1)

    return look


def _missing(fields: Sequence[str], absent: Sequence[str], columns: Sequence[str]) -> str:
    """What is wrong, what there is, and what mends it."""
    message = ""
    if fields:
        names = " and ".join(f"`{field}`" for field in fields)
        message += f"No column is mapped to {names}, which every item needs. "
    if absent:
        message += f"The mapping has {_listed(absent)}, which the first line does not name. "
    return message + (
        f"The columns are {_listed(columns)}. Import the feed again with a mapping that names the column to take, "
        "or rename that column in the feed."
    )


def _listed(columns: Sequence[str]) -> str:
    names = ", ".join(f"`{shown(column)[:60]}`" for column in columns[:_LISTED])
    return f"{names} and {len(columns) - _LISTED} more" if len(columns) > _LISTED else names
