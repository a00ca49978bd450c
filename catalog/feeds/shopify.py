"""Reading Shopify's products, as a shop shows them (`/products.json`) and as its Admin API does: a variant a row.

Source: Shopify's reference of the REST resources Product and Product Variant.
"""

import io
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlsplit

import msgspec

from catalog.feeds import markup
from recomengine.lib.feeds import documents
from recomengine.lib.feeds.opening import CHUNK, opened
from recomengine.lib.feeds.types import MAX_ROW, FeedBroken, Record, RowError, shown

EXACT: Final = "recomengine"  # the key of a variant under which an export keeps what Shopify has no place for
ONLY: Final = "Default Title"  # the title of the variant of a product that has no others

# What Shopify keeps for itself: ids of other things, sizes of images, its books. Whatever else a product or variant
# holds becomes a column under its own name.
_OWN: Final = frozenset(
    {"id", "title", "body_html", "vendor", "product_type", "handle", "tags", "options", "images", "image",
     "variants", "published_at", "status", "price", "compare_at_price", "available", "inventory_quantity",
     "inventory_policy", "inventory_management", "inventory_item_id", "option1", "option2", "option3",
     "featured_image", "image_id", "image_ids", "product_id", "position", "created_at", "updated_at",
     "admin_graphql_api_id", "template_suffix", "published_scope", "fulfillment_service",
     "old_inventory_quantity", "requires_shipping", "taxable", "tax_code", "presentment_prices", "grams", EXACT,}
)  # fmt: skip


_BEGIN: Final = re.compile(rb'\s*(\{[^{}\[\]]*"products"\s*:\s*)?\[')
_END: Final = re.compile(rb"\s*((,[^{}\[\]]*)?\}\s*)?")
_ONE: Final = re.compile(rb'\s*\{\s*"product"\s*:')


def records(file: BinaryIO, base_url: str = "") -> Iterator[Record | RowError]:
    """The variants of `{"products": […]}`, `[…]` or `{"product": {…}}`; a record's line is its product's number."""
    source, base = opened(file), _origin(base_url)
    for number, product in _products(source):
        yield from [product] if isinstance(product, RowError) else rows(number, product, base)


def _products(source: io.BufferedReader) -> Iterator[tuple[int, Any]]:
    start = source.peek(CHUNK)
    if _ONE.match(start):
        return iter([(1, _only(source.read(MAX_ROW)))])
    if not _BEGIN.match(start):
        message = 'The file does not begin as a list of products; a Shopify feed is {"products": [...]}.'
        raise FeedBroken("not_a_feed", message, 1)
    return documents.objects(source, _BEGIN, _END)


def _only(data: bytes) -> Any:
    """The product of the Admin API's answer for one."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])["product"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FeedBroken("malformed_json", f"The file is not valid JSON: {error}.", 1) from error


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else ""


def rows(number: int, product: Any, base: str = "") -> Iterator[Record | RowError]:
    """A product's variants; `base` is the shop's address (`https://shop.example`)."""
    variants = _objects(product.get("variants")) if isinstance(product, dict) else []
    if not variants:
        message = "A product has to be an object with at least one variant."
        yield RowError(number, "no_variants", message, field="variants", value=shown(product))
        return
    try:
        shared = _shared(product)
    except ValueError as error:
        shown_id = shown(product.get("id", ""))[:128]
        yield RowError(number, "invalid", str(error), "description", shown(product["body_html"]), shown_id)
        return
    for variant in variants:
        columns = {**shared, **_own(product, variant), "url": _url(base, product, variant, len(variants) > 1)}
        yield Record(number, _with_exact(columns, variant.get(EXACT)))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _with_exact(columns: dict[str, Any], exact: Any) -> dict[str, Any]:
    """The columns with what an export keeps beside them; attributes kept there are all there are."""
    if not isinstance(exact, dict):
        return columns
    if "attributes" in exact:
        columns = {name: columns[name] for name in _FIELDS if name in columns}
    return {**columns, **exact}


_FIELDS: Final = ("item_id", "title", "description", "url", "image_url", "price", "sale_price", "availability", "brand",
                  "categories", "group_id", "published_at")  # fmt: skip


def _shared(product: dict[str, Any]) -> dict[str, Any]:
    """What a product's variants have in common; raises ValueError for HTML that cannot be read."""
    others = {name: value for name, value in product.items() if name not in _OWN}
    tags = product.get("tags")
    return {
        **others,
        "group_id": product.get("id"),
        "description": markup.text_of(str(product.get("body_html") or "")),
        "brand": product.get("vendor"),
        "categories": [product["product_type"]] if product.get("product_type") else [],
        "tags": [tag.strip() for tag in tags.split(",") if tag.strip()] if isinstance(tags, str) else tags,
        "published_at": product.get("published_at"),
    }


def _own(product: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    """What is a variant's own."""
    others = {name: value for name, value in variant.items() if name not in _OWN}
    price, sale_price = _prices(variant.get("price"), variant.get("compare_at_price"))
    images = _images(product, variant)
    return {
        **others,
        "item_id": variant.get("id"),
        "title": _title(product.get("title"), variant.get("title")),
        "price": price,
        "sale_price": sale_price,
        "availability": _availability(product, variant),
        "image_url": images[0] if images else "",
        "additional_image_link": images[1:],
        "options": _options(product, variant),
    }


def _title(title: Any, variant: Any) -> Any:
    return title if not variant or variant == ONLY else f"{title or ''} {variant}"


def _prices(price: Any, compare_at: Any) -> tuple[Any, Any]:
    """Shopify's price is what is paid now, `compare_at_price` what was paid before, if it is higher."""
    now, before = _amount(price), _amount(compare_at)
    return (compare_at, price) if now is not None and before is not None and before > now else (price, None)


def _amount(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value)) if isinstance(value, str | int | float) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None


def _availability(product: dict[str, Any], variant: dict[str, Any]) -> str:
    """A shop shows what is active and published; whether a variant can be bought follows from its stock otherwise."""
    hidden = product.get("status", "active") != "active" or product.get("published_at", "") is None
    available = variant.get("available")
    if not isinstance(available, bool):
        stock = variant.get("inventory_quantity")
        tracked = variant.get("inventory_management", "shopify") is not None
        sold_out = tracked and isinstance(stock, int | float) and stock <= 0
        available = not sold_out or variant.get("inventory_policy") == "continue"
    return "in_stock" if available and not hidden else "out_of_stock"


def _images(product: dict[str, Any], variant: dict[str, Any]) -> list[str]:
    """The addresses of a variant's images, its own first, each once."""
    images = _objects(product.get("images"))
    own = [image for image in images if image.get("id") is not None and image.get("id") == variant.get("image_id")]
    first = _objects([variant.get("featured_image")]) + own + _objects([product.get("image")])
    found = [image.get("src") for image in [*first, *images]]
    return list(dict.fromkeys(src for src in found if isinstance(src, str) and src))


def _options(product: dict[str, Any], variant: dict[str, Any]) -> dict[str, str]:
    """The variant's options by their names: `{"Color": "Red"}`."""
    options = product.get("options")
    listed = options if isinstance(options, list) else []
    names = [option.get("name") if isinstance(option, dict) else option for option in listed]
    found = {}
    for place, key in enumerate(("option1", "option2", "option3")):
        name = names[place] if place < len(names) else None
        value = variant.get(key)
        if isinstance(value, str) and value and value != ONLY:
            found[name if isinstance(name, str) and name else key] = value
    return found


def _url(base: str, product: dict[str, Any], variant: dict[str, Any], several: bool) -> str:
    handle = product.get("handle")
    if not base or not isinstance(handle, str) or not handle:
        return ""
    address = f"{base}/products/{quote(handle, safe='')}"
    return f"{address}?variant={quote(str(variant.get('id')), safe='')}" if several else address
