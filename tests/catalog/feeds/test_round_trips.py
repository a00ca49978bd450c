"""What is exported and imported again is the same."""

import gzip
from types import ModuleType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.reading import detect
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.demo import gift_shop, home_goods
from tests.catalog.feeds.items import NOW, items, read_items, shown, written


@pytest.mark.parametrize("format", Format)
@given(st.lists(items(), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_items_come_back_as_they_were(format: Format, wanted: list[ItemIn]) -> None:
    data = written(map(shown, wanted), format)
    assert read_items(data, format) == wanted


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("shop", [gift_shop, home_goods])
def test_the_demo_catalogues_come_back_as_they_were(shop: ModuleType, format: Format) -> None:
    products = shop.items(NOW)
    data = written(products, format)
    assert read_items(data, format) == [msgspec.convert(product, ItemIn) for product in products]
    assert read_items(gzip.compress(data, 1), format) == read_items(data, format)
    assert detect(data[:65536]) == detect(gzip.compress(data, 1)[:65536]) == format


@pytest.mark.parametrize("format", Format)
def test_an_empty_catalogue_is_a_file_without_rows(format: Format) -> None:
    assert read_items(written([], format), format) == []
