"""Writing Shopify's products.json: the items of a group are one product, every other item a product of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import takewhile
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from catalog.feeds import shopify
from catalog.feeds.converting import mapper
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds.types import MAX_ROW, Record

MAX_VARIANTS: Final = 2048  # and images, of one product: Shopify's own limits
_MAX_IMAGES: Final = 250
_MAX_OPTIONS: Final = 3
_MAX_SIZE: Final = MAX_ROW // 5  # of the items in a product, as JSON; written, they take up to some three times that
_NONE: Final = ItemIn(item_id="none", title="none")  # for what a field is that an item does not name

Items = Sequence[Mapping[str, Any]]


def document(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """`{"products": […]}`; items of a group that follow each other are the variants of one product.

    A group that is too large for one goes on in a further product of the same id. Each variant holds under
    `recomengine` what would be read differently without it. No more than one product is held.
    """
    to_item = mapper(Format.SHOPIFY, {})
    separator = '{"products":['
    for variants in _by_product(items):
        product = _product(variants)
        records = shopify.rows(1, product)
        for item, variant in zip(variants, product["variants"], strict=True):
            record = next(records, None)
            read = to_item(record) if isinstance(record, Record) else None
            variant[shopify.EXACT] = _differing(item, read if isinstance(read, ItemIn) else None)
        yield separator + "\n" + msgspec.json.encode(product).decode()
        separator = ","
    yield "\n]}\n" if separator == "," else '{"products":[]}\n'


def _by_product(items: Iterable[Mapping[str, Any]]) -> Iterator[Items]:
    """The items that make a product: those of a group that stand together, or one that has none."""
    held: list[Mapping[str, Any]] = []
    size = 0
    for item in items:
        length, group = len(msgspec.json.encode(item)), item.get("group_id")
        is_another = held and (not group or group != held[0].get("group_id"))
        if is_another or len(held) == MAX_VARIANTS or (held and size + length > _MAX_SIZE):
            yield held
            held, size = [], 0
        held.append(item)
        size += length
    if held:
        yield held


def _differing(item: Mapping[str, Any], read: ItemIn | None) -> dict[str, Any]:
    """The fields that the product does not say, or says otherwise."""
    wanted = msgspec.convert(dict(item), ItemIn)
    return {
        name: item.get(name, getattr(_NONE, name))
        for name in ItemIn.__struct_fields__
        if read is None or getattr(read, name) != getattr(wanted, name)
    }


def _product(items: Items) -> dict[str, Any]:
    """The product of these items; what they have in common is as the first has it."""
    first = items[0]
    options = _options(items)
    title, titles = _titles(items, options)
    product = {
        "id": _number(first.get("group_id") or first["item_id"]),
        "title": title,
        "handle": unquote(urlsplit(first.get("url") or "").path.rstrip("/").rpartition("/")[2]),
        "body_html": escape(first.get("description") or "", quote=False).replace("\n", "<br>\n"),
        "vendor": first.get("brand") or "",
        "product_type": (first.get("categories") or [""])[0],
        "tags": _texts(_attributes(first).get("tags")),
        "options": [
            {"name": name, "position": place, "values": list(dict.fromkeys(values))}
            for place, (name, values) in enumerate(options.items(), 1)
        ],
        "images": [{"src": src} for src in _images(items)],
        "variants": list(map(_variant, items, titles, zip(*options.values(), strict=True))),
    }
    if first.get("published_at"):  # none would mean that it is not to be shown
        product["published_at"] = first["published_at"]
    return product


def _attributes(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item.get("attributes") or {}


def _options(items: Items) -> dict[str, list[str]]:
    """The values of the items by the option's name: texts that all have, those in which they differ first.

    Shopify has room for three, and one that says nothing where there are none.
    """
    found = {}
    for name in _attributes(items[0]):
        values = [_attributes(item).get(name) for item in items]
        texts = [value for value in values if isinstance(value, str) and value]
        if name != "sku" and len(texts) == len(items):
            found[name] = texts
    names = sorted(found, key=lambda name: len(set(found[name])) == 1)[:_MAX_OPTIONS]
    return {name: found[name] for name in names} or {"Title": [shopify.ONLY] * len(items)}


def _titles(items: Items, options: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    """The product's title and those of its variants: the words that all begin with, and how each goes on.

    A variant whose title does not go on is called by its options, as Shopify does.
    """
    whole = [item["title"] for item in items]
    if len(whole) == 1:
        return whole[0], [shopify.ONLY]
    words = zip(*(title.split(" ") for title in whole), strict=False)
    shared = " ".join(first for first, *_ in takewhile(lambda each: len(set(each)) == 1, words))
    rests = [title[len(shared) + 1 :] if shared else "" for title in whole]
    called = map(" / ".join, zip(*options.values(), strict=True))
    return shared or whole[0], [rest or name for rest, name in zip(rests, called, strict=True)]


def _images(items: Items) -> list[str]:
    """The addresses of all images, each once, first those that items have as their own."""
    own = [item.get("image_url") or "" for item in items]
    others = [src for item in items for src in _texts(_attributes(item).get("additional_image_link"))]
    return [src for src in dict.fromkeys([*own, *others]) if src][:_MAX_IMAGES]


def _variant(item: Mapping[str, Any], title: str, options: Sequence[str]) -> dict[str, Any]:
    price, compare_at = _prices(item)
    variant = {
        "id": _number(item["item_id"]),
        "title": title,
        "price": price,
        "compare_at_price": compare_at,
        "available": item.get("availability", "in_stock") != "out_of_stock",
        "featured_image": {"src": item["image_url"]} if item.get("image_url") else None,
        **{f"option{place}": value for place, value in enumerate(options, 1)},
    }
    sku = _attributes(item).get("sku")
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
