"""Sources: feeds that come again, with what was decided about them, and when they are fetched next."""

from collections.abc import Mapping as Fields
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from catalog import addresses
from catalog.feeds import mapping as mappings
from catalog.feeds.types import Mapping
from catalog.models import Source
from recomengine.lib import clock
from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import one, save_unless_taken
from tenants import audit, tenancy
from tenants.types import Actor, TenantRef

TOLD: Final = ("key", "name", "format", "mode", "mapping", "url", "every_minutes")
_READ_ANEW: Final = frozenset({"format", "mode", "mapping", "url"})  # what makes an unchanged feed another import


def listed() -> QuerySet[Source]:
    """The sources of the tenant in use."""
    return Source.objects.all()


def get(tenant: TenantRef, key: str) -> Source:
    """The source of that key; `not_found` if there is none."""
    with tenancy.use(tenant):
        return one(Source.objects.all(), "source", key=key)


def create(tenant: TenantRef, fields: Fields[str, Any], *, by: Actor) -> Source:
    """Add a source; a scheduled one is fetched within a minute. Raises `invalid`, and `conflict` for a taken key."""
    with transaction.atomic():
        with tenancy.use(tenant):
            source = Source(**fields)
            _check(source)
            source.next_at = clock.now() if source.every_minutes else None
            save_unless_taken(source, "a source", force_insert=True)
        audit.record_of(tenant, by, "source.created", source.key, after=told(source))
    return source


def edit(tenant: TenantRef, key: str, changes: Fields[str, Any], *, by: Actor) -> Source:
    """Change a source; what it fetches next is read even if the feed is the same as the last time."""
    with transaction.atomic():
        with tenancy.use(tenant):
            source = one(Source.objects.select_for_update(), "source", key=key)
            before, content = told(source), audit.values(source, _READ_ANEW)
            for name, value in changes.items():
                setattr(source, name, value)
            _check(source)
            if content != audit.values(source, _READ_ANEW):
                source.etag = source.last_modified = ""
            if "every_minutes" in changes:
                source.next_at = next_of(source)
            source.save()
        old, new = audit.changed(before, told(source))
        if new:
            audit.record_of(tenant, by, "source.edited", source.key, before=old, after=new)
    return source


def remember(tenant: TenantRef, key: str, mapping: Mapping, *, by: Actor) -> Source:
    """Keep a mapping that was given with an import of the source for its next ones."""
    return edit(tenant, key, {"mapping": msgspec.to_builtins(mapping)}, by=by)


def remove(tenant: TenantRef, key: str, *, by: Actor) -> None:
    """Forget a source; its imports and the items stay."""
    with transaction.atomic():
        with tenancy.use(tenant):
            source = one(Source.objects.select_for_update(), "source", key=key)
            before = told(source)
            source.delete()
        audit.record_of(tenant, by, "source.deleted", source.key, before=before)


def forget_version(source: Source) -> None:
    """Have the source's feed be read the next time, changed or not."""
    Source.objects.filter(pk=source.pk).update(etag="", last_modified="")


def mapping_of(stored: Any) -> Mapping:
    """A mapping as it is stored; raises `invalid` for what is none."""
    try:
        found: Mapping = msgspec.convert(stored, Mapping)
        mappings.check(found)
    except (msgspec.ValidationError, ValueError) as error:
        problem = {"pointer": "/mapping", "code": "invalid", "message": str(error)}
        raise DomainError("invalid", errors=[problem]) from error  # type: ignore[list-item]
    return found


def told(source: Source) -> dict[str, Any]:
    """A source for the audit log: no query of its URL, which may hold a token."""
    return audit.values(source, TOLD) | {"url": addresses.redacted(source.url)}


def next_of(source: Source) -> datetime | None:
    """When a source that was fetched just now is fetched again by itself."""
    return clock.now() + timedelta(minutes=source.every_minutes) if source.every_minutes else None


def _check(source: Source) -> None:
    try:
        source.full_clean(validate_unique=False, exclude=["mapping"])
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error
    mapping_of(source.mapping)
    if source.url:
        addresses.parse(source.url)
    elif source.every_minutes:
        raise DomainError("invalid", "A source that is fetched by itself needs a `url`.")
