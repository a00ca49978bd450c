"""Google Merchant's XML, as shops write it."""

import io
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.feeds.reading import read
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds.types import FeedBroken, Record, RowError
from tests.catalog.feeds.items import read_items

FEED = (Path(__file__).parent / "data" / "merchant.xml").read_bytes()
HEAD = '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
ROW = "<item><g:id>1</g:id><g:title>{}</g:title></item>"
TAIL = "</channel></rss>"


def rows(data: bytes | str) -> list[Any]:
    return list(read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), Format.MERCHANT_XML))


def broken(data: bytes | str) -> tuple[list[Any], FeedBroken]:
    """The rows before the place where the feed breaks, and why it does."""
    found, source = [], read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), Format.MERCHANT_XML)
    with pytest.raises(FeedBroken) as caught:  # noqa: PT012
        for row in source:
            found.append(row)  # noqa: PERF402
    return found, caught.value


def test_a_feed_of_a_shop() -> None:
    mug, board, pan = read_items(FEED, Format.MERCHANT_XML)
    assert mug == ItemIn(
        item_id="LH-1001-BL",
        title="Stoneware mug & saucer, blue",
        description="Holds 0.3 l. <b>Dishwasher safe</b> & stackable.",
        url="https://lindenhof.example/mug?color=blue&ref=feed",
        image_url="https://lindenhof.example/img/1001-blue.jpg",
        price=Decimal("14.90"),
        sale_price=Decimal("11.90"),
        sale_starts_at=datetime(2026, 10, 31, 23, tzinfo=UTC),
        sale_ends_at=datetime(2026, 11, 30, 22, 59, tzinfo=UTC),
        currency="EUR",
        brand="Lindenhof",
        categories=["Kitchen > Tableware > Mugs", "Gifts, Small > Under 15"],
        attributes={
            "additional_image_link": [
                "https://lindenhof.example/img/1001-b.jpg",
                "https://lindenhof.example/img/1001-c.jpg",
            ],
            "gtin": "4006381333931",
            "google_product_category": "2169",
            "color": "Blue",
            "condition": "new",
            "shipping": "DE:Standard:4.95 EUR",
            "Capacity": "0.3 l",
            "Material": "Stoneware",
        },
        group_id="LH-1001",
        expires_at=datetime(2027, 1, 31, tzinfo=UTC),
    )
    assert isinstance(board, ItemIn)
    assert (board.title, board.availability) == ("Bread board", "preorder")
    assert board.attributes == {
        "availability_date": "2026-12-24T13:00-0800",  # when it is sent, not from when it is shown
        "content_encoded": "Solid beech, oiled.",
    }
    assert isinstance(pan, RowError)
    assert (pan.line, pan.code, pan.field, pan.value) == (55, "conflicting_currencies", "sale_price", "79.00 EUR")
    assert pan.item_id == "LH-3003"


def test_rows_know_the_line_on_which_they_begin() -> None:
    assert [row.line for row in rows(FEED)] == [7, 44, 55]


def test_atom() -> None:
    (row,) = rows(
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:x="http://base.google.com/ns/1.0"><entry><id>urn:1</id>'
        '<x:id>A</x:id><title type="text">A cup</title><link rel="self" href="https://no.example"/>'
        '<link href="https://shop.example/a"/><x:price>3.00 GBP</x:price></entry></feed>'
    )
    assert row.columns["id"] == "A"
    (item,) = read_items(
        b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:x="http://base.google.com/ns/1.0"><entry><id>urn:1</id>'
        b'<x:id>A</x:id><title>A cup</title><link href="https://shop.example/a"/></entry></feed>',
        Format.MERCHANT_XML,
    )
    assert item == ItemIn(item_id="A", title="A cup", url="https://shop.example/a")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("UTF-8", "latin-1"),  # what it declares is not what it is
        ("ISO-8859-1", "latin-1"),
        ("ISO-8859-2", "iso-8859-2"),
        ("windows-1252", "cp1252"),
        ("UTF-16", "utf-16"),
        ("no-such-encoding", "utf-8"),
    ],
)
def test_encodings(declared: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\n{HEAD}{ROW.format("Müsli é")}{TAIL}'
    (row,) = rows(text.encode(encoding))
    assert row.columns == {"id": "1", "title": "Müsli é"}


BILLION_LAUGHS = (
    '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    "doctype",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE rss [<!ENTITY c SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss SYSTEM "http://internal.example/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY % c SYSTEM "http://internal.example/x"> %c;]>',
    ],
)
def test_document_types_are_refused(doctype: str) -> None:
    found, error = broken(doctype + HEAD + ROW.format("&c;") + TAIL)
    assert (found, error.code) == ([], "unsafe_xml")


@pytest.mark.parametrize(
    "cut", ["<item><g:id>2</g:id>", "<item><g:id>2</item>", "<item>&nbsp;</item>", "\x00", "</rss>"]
)
def test_rows_before_the_place_where_it_breaks_are_taken(cut: str) -> None:
    found, error = broken(f"{HEAD}\n{ROW.format('a')}\n{cut}")
    assert found == [Record(2, {"id": "1", "title": "a"})]
    assert error.code == "malformed_xml"
    assert error.line == 3


def test_what_is_no_feed_is_refused() -> None:
    for data in ("<html><body/></html>", "<products><product><id>1</id></product></products>"):
        assert broken(data)[1].code == "not_a_feed"


def test_an_item_without_end_is_refused_before_it_fills_the_memory() -> None:
    pieces = (HEAD + ROW.format("a") + "<item><g:title>").encode() + b"x" * 30_000_000
    tracemalloc.start()
    found, error = broken(pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1
    assert error.code == "row_too_large"
    assert peak < 30_000_000
