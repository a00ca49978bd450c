"""Writing Shopify's products.json: a product with one variant an item."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from catalog.feeds import shopify
from catalog.feeds.converting import mapper
from catalog.feeds.types import Format, Record
from catalog.types import ItemIn

_MAX_OPTIONS: Final = 3
_NONE: Final = ItemIn(item_id="none", title="none")  # for what a field is that an item does not name


def document(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """`{"products": […]}`; an item's variant holds under `recomengine` what would be read differently without it."""
    to_item = mapper(Format.SHOPIFY, {})
    separator = '{"products":['
    for item in items:
        product = _product(item)
        (record,) = shopify.rows(1, product)
        read = to_item(record) if isinstance(record, Record) else None
        product["variants"][0][shopify.EXACT] = _differing(item, read if isinstance(read, ItemIn) else None)
        yield separator + "\n" + msgspec.json.encode(product).decode()
        separator = ","
    yield "\n]}\n" if separator == "," else '{"products":[]}\n'


def _differing(item: Mapping[str, Any], read: ItemIn | None) -> dict[str, Any]:
    """The fields that the product does not say, or says otherwise."""
    wanted = msgspec.convert(dict(item), ItemIn)
    return {
        name: item.get(name, getattr(_NONE, name))
        for name in ItemIn.__struct_fields__
        if read is None or getattr(read, name) != getattr(wanted, name)
    }


def _product(item: Mapping[str, Any]) -> dict[str, Any]:
    attributes = item.get("attributes") or {}
    categories = item.get("categories") or [""]
    options = _options(attributes)
    images = [item.get("image_url"), *_texts(attributes.get("additional_image_link"))]
    product = {
        "id": _number(item.get("group_id") or item["item_id"]),
        "title": item["title"],
        "handle": unquote(urlsplit(item.get("url") or "").path.rstrip("/").rpartition("/")[2]),
        "body_html": escape(item.get("description") or "", quote=False).replace("\n", "<br>\n"),
        "vendor": item.get("brand") or "",
        "product_type": categories[0],
        "tags": _texts(attributes.get("tags")),
        "options": [
            {"name": name, "position": place, "values": [options[name]]} for place, name in enumerate(options, 1)
        ],
        "images": [{"src": src} for src in images if src],
        "variants": [_variant(item, options)],
    }
    if item.get("published_at"):  # none would mean that it is not to be shown
        product["published_at"] = item["published_at"]
    return product


def _variant(item: Mapping[str, Any], options: dict[str, str]) -> dict[str, Any]:
    price, compare_at = _prices(item)
    variant = {
        "id": _number(item["item_id"]),
        "title": shopify.ONLY,
        "price": price,
        "compare_at_price": compare_at,
        "available": item.get("availability", "in_stock") != "out_of_stock",
        **{f"option{place}": value for place, value in enumerate(options.values(), 1)},
    }
    sku = (item.get("attributes") or {}).get("sku")
    return {**variant, "sku": sku} if isinstance(sku, str) else variant


def _prices(item: Mapping[str, Any]) -> tuple[Any, Any]:
    """What is paid, and what was before; a sale that has a beginning or an end may not be on, so it is left out."""
    dated = item.get("sale_starts_at") or item.get("sale_ends_at")
    on_sale = item.get("sale_price") is not None and item.get("price") is not None and not dated
    return (item["sale_price"], item["price"]) if on_sale else (item.get("price"), None)


def _number(given: str) -> int | str:
    """Shopify's ids are numbers."""
    return int(given) if given.isdecimal() and len(given) < 19 and not given.startswith("0") else given


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else []


def _options(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The first texts among the attributes; Shopify has room for three."""
    texts = [(name, value) for name, value in attributes.items() if isinstance(value, str) and value and name != "sku"]
    return dict(texts[:_MAX_OPTIONS])
