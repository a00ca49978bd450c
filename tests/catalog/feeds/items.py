"""Any valid item, and files read back."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from catalog.feeds.converting import mapper
from catalog.feeds.reading import read
from catalog.feeds.types import Format, Mapping
from catalog.feeds.writing import write
from catalog.types import ItemIn
from recomengine.lib.feeds.types import Record, RowError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ODD = st.sampled_from(
    ["", " ", " a ", "a,b", 'say "so"', '"', "a|b", "[x]", '["x"]', "a\nb", "a\r\nb", "\r", "a\tb", "\u2028", "\ufeff",
     "\x01", "\uffff", "<b>&amp;</b>", "]]>", "=1+1", "a > b", "null", "true", "1", "é", "😀", "{}", "\x85", "\xa0x"]
)  # fmt: skip
TEXTS = TEXT | ODD
IDS = st.from_regex(r"[\x21-\x7e]([\x20-\x7e]{0,10}[\x21-\x7e])?", fullmatch=True) | st.from_regex(
    r"[0-9]{1,20}", fullmatch=True
)
ADDRESSES = st.just("") | st.text("abc/?&=%,|'-_é", max_size=9).map("https://shop.example/{}".format)
CENTS = st.integers(0, 10**14 - 1).map(lambda cents: Decimal(cents).scaleb(-4))
AMOUNTS = st.none() | CENTS | st.integers(0, 9999).map(Decimal)
MINUTES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)
INSTANTS = st.none() | st.builds(
    lambda moment, hours: moment.replace(tzinfo=timezone(timedelta(hours=hours))),
    st.datetimes(datetime(1000, 1, 3), datetime(9998, 12, 30)) | MINUTES,
    st.integers(-12, 14),
)
LEVELS = TEXTS.filter(lambda level: level.replace(">", "").strip()).map(lambda level: level.replace(">", "/"))
PATHS = st.lists(LEVELS, min_size=1, max_size=4).map(" > ".join)
KNOWN_NAMES = [
    "color",
    "size",
    "gtin",
    "google_product_category",
    "tags",
    "sku",
    "additional_image_link",
    "options",
    "title",
    "id",
]
NAMES = TEXTS | st.sampled_from(KNOWN_NAMES)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = TEXTS | st.none() | st.booleans() | NUMBERS | st.lists(TEXTS, max_size=3)


@st.composite
def items(draw: st.DrawFn) -> ItemIn:
    """A valid item with anything in it that an item may hold."""
    return ItemIn(
        item_id=draw(IDS),
        title=draw(TEXTS.filter(bool)),
        description=draw(TEXTS),
        url=draw(ADDRESSES),
        image_url=draw(ADDRESSES),
        price=draw(AMOUNTS),
        sale_price=draw(AMOUNTS),
        sale_starts_at=draw(INSTANTS),
        sale_ends_at=draw(INSTANTS),
        currency=draw(st.sampled_from(["EUR", "USD", "JPY", None])),
        availability=draw(st.sampled_from(["in_stock", "out_of_stock", "preorder"])),
        brand=draw(TEXTS),
        categories=draw(st.lists(PATHS, max_size=3)),
        attributes=draw(st.dictionaries(NAMES, VALUES, max_size=4)),
        group_id=draw(st.none() | IDS),
        published_at=draw(INSTANTS),
        expires_at=draw(INSTANTS),
    )


def shown(item: ItemIn) -> dict[str, Any]:
    """The item as the API shows it."""
    prices = {name: getattr(item, name) for name in ("price", "sale_price")}
    amounts = {name: None if price is None else f"{price:f}" for name, price in prices.items()}
    return {**msgspec.structs.asdict(item), **amounts}


def written(products: Iterable[dict[str, Any]], format: Format) -> bytes:
    return b"".join(write(products, format))


def read_items(
    data: bytes, format: Format, chosen: Mapping | None = None, currency: str = "", base_url: str = ""
) -> list[ItemIn | RowError]:
    """What the rows of a file become."""
    to_item = mapper(format, chosen or {}, currency)
    rows = read(io.BytesIO(data), format, base_url)
    return [to_item(row) if isinstance(row, Record) else row for row in rows]


NOW = datetime(2026, 11, 24, tzinfo=UTC)
