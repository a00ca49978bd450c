"""Deleting what the feed of a replacing import does not hold, once it was read to its end."""

from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from catalog import cards
from catalog.models import Import, ImportedItem, Item
from imports.stepping import step
from recomengine.lib.errors import DomainError
from tenants.types import TenantRef

UNASKED: Final = 20
"""So many items may always go, whatever share of the catalogue they are."""
_CHUNK: Final = 1000


def note(row: Import, item_ids: set[str]) -> None:
    """Remember that the feed holds these items."""
    met = [ImportedItem(import_run=row, item_id=each) for each in sorted(item_ids) if _may_exist(each)]
    ImportedItem.objects.bulk_create(met, ignore_conflicts=True)


def _may_exist(item_id: str) -> bool:
    """A refused row may name anything as its item."""
    return len(item_id) <= 128 and item_id.isprintable()


def missing(row: Import) -> QuerySet[Item]:
    """The items that the feed does not hold; those that were added since it began to be read are no business of it."""
    met = ImportedItem.objects.filter(import_run=row, item_id=OuterRef("item_id"))
    return Item.objects.filter(~Exists(met), created_at__lt=row.started_at)


def check(row: Import) -> None:
    """Raise `too_many_deletions` if more would go than may go unasked; a feed of nothing deletes nothing unasked."""
    if row.allow_deletions:
        return
    doomed, stored = missing(row).count(), Item.objects.count()
    is_empty = not ImportedItem.objects.filter(import_run=row).exists()
    if doomed and (is_empty or doomed > max(UNASKED, row.max_deleted_share * stored)):
        raise DomainError(
            "too_many_deletions",
            f"The feed lacks {doomed:,} of the catalogue's {stored:,} items, and they would be deleted. Nothing was. "
            "If that is what you want, resume the import and allow the deletions.",
        )


def delete_missing(tenant: TenantRef, row: Import) -> None:
    """Delete what the feed does not hold, chunk by chunk; interrupted, it can be gone on with."""
    if row.deleted:  # whoever was at it before may have been killed between a commit and the cards
        cards.drop_gone(tenant)
    last = 0
    while ids := list(missing(row).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_CHUNK]):
        with step(row):
            Item.objects.filter(pk__in=ids).delete()
            row.deleted += len(ids)
            transaction.on_commit(lambda ids=ids: cards.refresh(tenant, ids))  # type: ignore[misc]
        last = ids[-1]
