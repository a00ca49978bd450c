"""The example shop with real orders: a UK gift shop, December 2010 to December 2011.

Source: Chen, D. (2015). Online Retail. UCI Machine Learning Repository. https://doi.org/10.24432/C5BW33 (CC BY 4.0),
cleaned as `data/ATTRIBUTION.md` describes. The source's times are UK local without a zone; they are read as UTC.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CURRENCY = "GBP"
LINES_SCHEMA = pa.schema(
    {
        "invoice": pa.string(),
        "item_id": pa.string(),
        "description": pa.string(),
        "quantity": pa.int32(),
        "invoice_date": pa.timestamp("us"),
        "price": pa.float64(),
        "customer": pa.int32(),
        "country": pa.string(),
    }
)
HEADER_SCHEMA = pa.schema([LINES_SCHEMA.field(name) for name in ("invoice", "invoice_date", "customer", "country")])

_DATA = Path(__file__).parent / "data"
_WEEK = timedelta(weeks=1)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "gift-shop.demo.recomengine")
_WORD = re.compile(r"(?<![0-9a-z])(?<![0-9a-z]')[0-9]*[a-z]+(?:'[a-z]+)?")
_LOWER = frozenset({"a", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"})
_UPPER = frozenset({"3d", "bbq", "cd", "diy", "dvd", "lcd", "led", "mp3", "tv", "uk", "usb", "vip"})


def lines() -> pa.Table:
    """Every order line of the cleaned data, sorted by invoice, then item.

    Columns: `LINES_SCHEMA`. `quantity` and `price` (GBP per unit) are positive, `invoice_date` is naive (to be read as
    UTC), `customer` is null where the shop did not know it.
    """
    return pq.read_table(_DATA / "gift_shop.parquet", schema=LINES_SCHEMA)


def orders_without_products() -> pa.Table:
    """Invoices that the cleaning left without a line (postage, carriage or a manual charge only), by invoice.

    They are no orders of items, but a published figure that counts every invoice of a country needs their number.
    Columns: `HEADER_SCHEMA`.
    """
    return pq.read_table(_DATA / "gift_shop_orders_without_products.parquet", schema=HEADER_SCHEMA)


def shift(now: datetime) -> timedelta:
    """The whole weeks to add to the data's times so that the last order falls in the seven days up to `now`.

    Whole weeks keep weekdays and hours. Raises ValueError if `now` has no time zone.
    """
    dates = pq.read_table(_DATA / "gift_shop.parquet", columns=["invoice_date"])["invoice_date"]
    return _shift(dates.to_numpy().max(), now)


def items(now: datetime | None = None) -> list[dict[str, Any]]:
    """The 3,794 items as catalogue entries, by item id.

    The title is the item's most frequent description in title case, the price its median unit price (the lower of
    two middle ones, so that it was really charged). The data has no categories, so there are none. With `now`,
    `published_at` is the item's first sale, shifted as the orders are.
    """
    frame = lines().to_pandas()
    by_item = frame.groupby("item_id")
    prices = by_item["price"].quantile(0.5, interpolation="lower")
    titles = _most_frequent(frame)
    entries = [_entry(item_id, titles[item_id], price) for item_id, price in prices.items()]
    if now is not None:
        moved = _shift(frame["invoice_date"].to_numpy().max(), now)
        for entry, first in zip(entries, by_item["invoice_date"].min(), strict=True):
            entry["published_at"] = _iso(first.to_pydatetime() + moved)
    return entries


def orders(now: datetime) -> Iterator[dict[str, Any]]:
    """One purchase event per invoice, oldest first, shifted to end in the seven days up to `now`.

    Lines of one item at one price within an invoice are summed; the largest order has over a thousand lines. A known
    customer N is visitor `c-N` and user `N`, an unknown one visitor `guest-<invoice>`. Event ids depend on the invoice
    only, so that loading the orders again does not double them.
    """
    frame = lines().to_pandas()
    by_invoice = frame.groupby("invoice", sort=False)  # unsorted groups keep the order of first appearance
    headers = by_invoice.agg({"customer": "first", "country": "first", "invoice_date": "min"})
    merged = frame.groupby(["invoice", "item_id", "price"], sort=False)["quantity"].sum().reset_index()
    baskets = {invoice: list(pairs) for invoice, pairs in groupby(_order_lines(merged), key=itemgetter(0))}
    moved = _shift(frame["invoice_date"].to_numpy().max(), now)
    for header in headers.sort_values("invoice_date", kind="stable").itertuples():
        yield _order(header, [line for _, line in baskets[header.Index]], moved)


def title_case(description: str) -> str:
    """The shop's capitals as a readable title: 'SET/6 RED SPOTTY T-LIGHT 15CM' → 'Set/6 Red Spotty T-Light 15cm'.

    Words get one capital, small words and units behind a number none, well-known abbreviations all; runs of spaces
    and leading asterisks go. Spelling and punctuation stay the shop's own.
    """
    return _WORD.sub(_recase, " ".join(description.lstrip("* ").lower().split()))


def _recase(match: re.Match[str]) -> str:
    word = match[0]
    if word in _UPPER:
        return word.upper()
    if word[0].isdigit() or (word in _LOWER and match.start() > 0):
        return word
    return word.capitalize()


def _most_frequent(frame: Any) -> dict[str, str]:
    """Item id → its most frequent description; of equally frequent ones the alphabetically first."""
    counts = frame.groupby(["item_id", "description"]).size().reset_index(name="lines")
    ranked = counts.sort_values(["item_id", "lines", "description"], ascending=[True, False, True])
    return dict(ranked.drop_duplicates("item_id")[["item_id", "description"]].itertuples(index=False))


def _entry(item_id: str, description: str, price: float) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "title": title_case(description),
        "price": f"{price:.2f}",
        "currency": CURRENCY,
        "availability": "in_stock",
        "categories": [],
    }


def _order_lines(merged: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line with its invoice, in the frame's order."""
    prices = merged["price"].map({price: f"{price:.2f}" for price in merged["price"].unique()})
    columns = (merged["invoice"], merged["item_id"], merged["quantity"], prices)
    for invoice, item_id, quantity, price in zip(*(column.tolist() for column in columns), strict=True):
        yield invoice, {"item_id": item_id, "quantity": quantity, "price": price}


def _order(header: Any, order_lines: list[dict[str, Any]], moved: timedelta) -> dict[str, Any]:
    invoice, known = header.Index, header.customer == header.customer  # NaN where the customer is unknown
    event = {
        "event_id": str(uuid.uuid5(_NAMESPACE, invoice)),
        "type": "purchase",
        "occurred_at": _iso(header.invoice_date.to_pydatetime() + moved),
        "visitor_id": f"c-{header.customer:.0f}" if known else f"guest-{invoice}",
        "order_id": invoice,
        "currency": CURRENCY,
        "items": order_lines,
        "properties": {"country": header.country},
    }
    return {**event, "user_id": f"{header.customer:.0f}"} if known else event


def _shift(last: np.datetime64, now: datetime) -> timedelta:
    if now.tzinfo is None:
        raise ValueError("`now` needs a time zone")
    last_order: datetime = last.astype("datetime64[us]").item()
    return (now.astimezone(UTC).replace(tzinfo=None) - last_order) // _WEEK * _WEEK


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds") + "Z"
