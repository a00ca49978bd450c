"""What is wrong with the catalogue's items: issues that make recommendations worse, counted and listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, F, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.models import Item
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.types import TenantRef

# Of items with the same title and brand, those that are not variants of one product.
_DUPLICATES: Final = """
    SELECT id FROM (
        SELECT id, min(product) OVER same <> max(product) OVER same AS several
        FROM (
            SELECT id, title, brand, coalesce('group ' || group_id, item_id) COLLATE "C" AS product FROM catalog_item
        ) item
        WINDOW same AS (PARTITION BY lower(title), lower(brand))
    ) found WHERE several
"""


@dataclass(frozen=True, slots=True)
class Issue:
    """A kind of fault of an item, and what to do about it."""

    title: str
    advice: str


ISSUES: Final[Mapping[str, Issue]] = {
    "missing_image": Issue("No image", "Send image_url: a card without an image is seldom clicked."),
    "missing_price": Issue("No price", "Send price: widgets cannot show one, and price filters leave the item out."),
    "missing_category": Issue("No category", "Send categories: similar items and category filters rest on them."),
    "missing_url": Issue("No address", "Send url: a recommendation without one leads nowhere."),
    "duplicate": Issue("Duplicates", "Same title and brand: join variants by group_id, remove what is sold no more."),
    "currency_mismatch": Issue("Another currency", "The shop has one currency: prices in another cannot be compared."),
    "sale_not_lower": Issue("Sale price not lower", "Send sale_price only where it is below price."),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The items of the catalogue, and how many of them have each issue."""

    items: int
    counts: dict[str, int]


def report(tenant: TenantRef) -> Report:
    """Count every issue, now."""
    with tenancy.use(tenant):
        found = Item.objects.aggregate(
            items=Count("pk"), **{code: Count("pk", filter=_having(code, tenant)) for code in ISSUES}
        )
    return Report(found.pop("items"), found)


def having(tenant: TenantRef, code: str) -> QuerySet[Item]:
    """The items with an issue, to be read within the tenant's schema; raises `not_found` for a code that is none."""
    if code not in ISSUES:
        raise DomainError("not_found", f"There is no issue {code!r}; there are {', '.join(ISSUES)}.")
    return Item.objects.filter(_having(code, tenant))


def _having(code: str, tenant: TenantRef) -> Q:
    match code:
        case "missing_price":
            return Q(price=None)
        case "missing_category":
            return Q(categories=[])
        case "duplicate":
            return Q(pk__in=RawSQL(_DUPLICATES, []))  # noqa: S611 - a constant
        case "currency_mismatch":
            return ~Q(currency=tenant.currency)
        case "sale_not_lower":
            return Q(sale_price__gte=F("price"))
    return Q(**{{"missing_image": "image_url", "missing_url": "url"}[code]: ""})
