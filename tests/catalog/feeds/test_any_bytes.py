"""Whatever a file holds, reading it ends in rows, in what is wrong with them, or in FeedBroken."""

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.feeds.converting import mapper
from catalog.feeds.mapping import FIELDS
from catalog.feeds.reading import detect, read
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds.types import FeedBroken, Record, RowError

PIECES = st.sampled_from(
    [b'"', b"\n", b"\r", b"\r\n", b",", b";", b"\t", b"|", b"{", b"}", b"[", b"]", b":", b"\\", b"\\ud83d", b"\x00",
     b"<rss>", b"</rss>", b"<item>", b"</item>", b"<g:id>1</g:id>", b"<title>", b"</title>", b"<!DOCTYPE a>", b"&amp;",
     b"&x;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.0' encoding='x'?>", b"\xff\xfe", b"\xef\xbb\xbf",
     b"\xe9", b"id", b"title", b'{"products":[', b'{"id":1,"variants":[{"id":2}]}', b'"products"', b"1e999", b"-",
     b'{"id": "1", "title": "a"}', b"id,title\n", b"id\ttitle\tlink\n", b"sep=;\n", b"\x1f\x8b", b"9" * 5000]
)  # fmt: skip
BYTES = st.binary(max_size=60) | st.lists(PIECES | st.binary(max_size=3), max_size=25).map(b"".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["9,95 €", "1.2.3,4", "$", "--", "2026-13-01", "2026-11-01/", "//x", "{", "[", "> >", "in stock", "\ud800"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3)
)


def outcome(data: bytes, format: Format) -> list[Any]:
    """Everything that comes of a file."""
    found: list[Any] = []
    to_item = mapper(format, {}, "EUR")
    try:
        rows = read(io.BytesIO(data), format, "https://shop.example/products.json")
        found.extend(to_item(row) if isinstance(row, Record) else row for row in rows)
    except FeedBroken as broken:
        found.append(broken)
    return found


def check(data: bytes, format: Format) -> None:
    for each in outcome(data, format):
        assert isinstance(each, ItemIn | RowError | FeedBroken)
        if isinstance(each, RowError):
            assert each.code
            assert each.message
            assert len(each.value) <= 200
            assert len(each.item_id) <= 128
            assert len(each.field) <= 320
            assert "\x00" not in each.value + each.message + each.field + each.item_id  # PostgreSQL stores none


@pytest.mark.parametrize("format", Format)
@given(data=BYTES)
@example(data=b"")
@example(data=b"\x1f\x8b")
@example(data=gzip.compress(b"id,title\n1,a\n")[:-9])
@settings(max_examples=100, deadline=None)
def test_any_bytes(format: Format, data: bytes) -> None:
    check(data, format)
    check(gzip.compress(data), format)
    detect(data, "a.csv", "text/csv")
    detect(gzip.compress(data))


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=5), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_objects(rows: list[Any]) -> None:
    check("\n".join(json.dumps(row) for row in rows).encode(), Format.JSONL)
    check(json.dumps(rows).encode(), Format.JSONL)


PRODUCT_KEYS = ["id", "title", "options", "images", "image", "tags", "body_html", "handle", "published_at", "src"]
VARIANT_KEYS = ["price", "compare_at_price", "option1", "available", "inventory_quantity", "featured_image"]
KEYS = [*PRODUCT_KEYS, *VARIANT_KEYS, "recomengine"]
THINGS = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from(KEYS), each, max_size=6)
)
VARIANTS = {"variants": THINGS | st.lists(THINGS, max_size=2)}
PRODUCTS = st.fixed_dictionaries(VARIANTS, optional=dict.fromkeys(KEYS, THINGS))
CELLS = st.text(max_size=10) | st.sampled_from(["9,95 €", "$ 1", "2026-11-01", "sold out", "[]", "{}"])


@given(st.lists(PRODUCTS, max_size=2))
@settings(max_examples=100, deadline=None)
def test_any_products(products: list[Any]) -> None:
    check(json.dumps({"products": products}).encode(), Format.SHOPIFY)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), CELLS, max_size=8)))
@settings(max_examples=100, deadline=None)
def test_any_cells(rows: list[dict[str, str]]) -> None:
    header = "\t".join(FIELDS)
    lines = ["\t".join(row.get(name, "") for name in FIELDS) for row in rows]
    for format in (Format.CSV, Format.MERCHANT_TSV):
        check("\n".join([header, *lines]).encode("utf-8", "replace"), format)


@pytest.mark.parametrize("format", Format)
def test_a_file_in_another_format_is_refused_or_has_no_items(format: Format) -> None:
    for data in (b"%PDF-1.7\n\x00\x01\xff", b"<html><body><p>Not found</p></body></html>", b'{"error": "not found"}'):
        assert not any(isinstance(each, ItemIn) for each in outcome(data, format))


def test_markup_that_python_gives_up_on_is_a_row_error() -> None:
    product = {"id": 1, "title": "a", "body_html": "<![x[ ]]>", "variants": [{"id": 2}]}
    (error,) = outcome(json.dumps({"products": [product]}).encode(), Format.SHOPIFY)
    assert isinstance(error, RowError)
    assert error.field == "description"


@pytest.mark.parametrize("format", [Format.JSONL, Format.SHOPIFY])
def test_depth_without_end_is_a_row_error_or_ends_the_file(format: Format) -> None:
    nested = "[" * 100_000 + "]" * 100_000
    check(f'{{"id": "1", "title": "a", "x": {nested}}}'.encode(), format)
    check(f'[{{"id": "1", "title": "a", "x": {nested}}}]'.encode(), format)
    check(f'{{"products": [{{"id": "1", "variants": [{{"id": 2, "x": {nested}}}]}}]}}'.encode(), format)
