"""Asking for imports, stopping them, going on with them, and looking at them."""

from collections.abc import Iterable
from typing import Any, BinaryIO, Final

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from catalog import addresses, sources
from catalog.feeds import reading
from catalog.feeds.types import Format
from catalog.importing.kind import CATALOGUE, FILES
from catalog.importing.types import NewImport
from catalog.models import Import, ImportedItem, Mode, RejectedRow, Source
from imports import requesting, storing
from imports.requesting import name_of
from recomengine.lib.errors import DomainError
from tenants import audit
from tenants.types import Actor, TenantRef

_DETECTED: Final = 65_536


def start(tenant: TenantRef, new: NewImport, file: Iterable[bytes] | None = None, *, by: Actor) -> Import:
    """Store an upload, or note a URL, and have a worker import it; returns it while it waits.

    `file` yields the upload's bytes: an open file, or Django's `UploadedFile.chunks()`. Raises `invalid`, `not_found`
    for the source, `unknown_format`, `address_not_allowed`, `payload_too_large`, `too_many_imports`.
    """
    row = request(tenant, new, file, by=by)
    CATALOGUE.run_later(tenant)
    return row


def request(tenant: TenantRef, new: NewImport, file: Iterable[bytes] | None = None, *, by: Actor) -> Import:
    """The same without asking a worker; `running.run_pending` runs it."""
    source = sources.get(tenant, new.source) if new.source is not None else None
    row = _made(new, source, by)
    if file is not None and new.url:
        raise DomainError("invalid", "Send a file or a `url`, not both.")
    if file is None:
        row.url = new.url or (source.url if source else "")
        if not row.url:
            raise DomainError("invalid", "Send a file, a `url`, or the `source` of a feed that has a URL.")
        addresses.parse(row.url)
        _save(tenant, row, new, by)
        return row
    with FILES.incoming(tenant) as (stored, keep):
        storing.receive(file, stored)
        row.bytes_total = stored.tell()
        row.filename = name_of(new.filename)
        row.format = row.format or detected(stored, row.filename, new.content_type)
        _save(tenant, row, new, by, lambda: keep(row.pk))
    return row


def _made(new: NewImport, source: Source | None, by: Actor) -> Import:
    """The import as it is asked for, over what its source says."""
    mode = new.mode or (source.mode if source else Mode.DELTA)
    if mode not in Mode.values:
        raise DomainError("invalid", f"`mode` is one of {', '.join(Mode.values)}.")
    if not 0.0 <= new.max_deleted_share <= 1.0:
        raise DomainError("invalid", "`max_deleted_share` is a number from 0 to 1.")
    mapping = msgspec.to_builtins(new.mapping) if new.mapping is not None else source.mapping if source else {}
    sources.mapping_of(mapping)
    return Import(
        source=source,
        format=new.format or (source.format if source else ""),
        mode=mode,
        mapping=mapping,
        max_deleted_share=new.max_deleted_share,
        requested_by=by.name[:200],
    )


def _save(tenant: TenantRef, row: Import, new: NewImport, by: Actor, also: Any = lambda: None) -> None:
    with transaction.atomic():
        requesting.save(CATALOGUE, tenant, row, by=by, told=lambda: _told(row), also=also)
        if new.source is not None and new.mapping is not None:
            sources.remember(tenant, new.source, new.mapping, by=by)


def detected(file: BinaryIO, filename: str, content_type: str = "") -> Format:
    """The format of a stored file; raises `unknown_format`."""
    file.seek(0)
    found = reading.detect(file.read(_DETECTED), filename, content_type)
    if found is None:
        known = ", ".join(Format)
        raise DomainError("unknown_format", f"The file looks like no feed that is known; name its `format`: {known}.")
    return found


def cancel(tenant: TenantRef, import_id: int, *, by: Actor) -> Import:
    """Stop an import; raises what `requesting.cancel` does."""
    return requesting.cancel(CATALOGUE, tenant, import_id, by=by)


def resume(tenant: TenantRef, import_id: int, *, allow_deletions: bool = False, by: Actor) -> Import:
    """Go on with an import that was cancelled or failed, where it stopped.

    One from a URL whose file is no longer kept is fetched again and begins anew. `allow_deletions` has a replacing
    one delete whatever the feed does not hold, however much that is. Raises `not_found`, `conflict`, `file_gone`.
    """
    allowed = {"allow_deletions": allow_deletions}
    changes = allowed if allow_deletions else {}
    return requesting.resume(CATALOGUE, tenant, import_id, by=by, changes=changes, told=allowed)


def get(tenant: TenantRef, import_id: int) -> Import:
    """One import; `not_found` if there is none of that id."""
    return requesting.get(CATALOGUE, tenant, import_id)


def listed() -> QuerySet[Import]:
    """The imports of the tenant in use, newest first, with their sources."""
    return Import.objects.select_related("source")


def rejected(tenant: TenantRef, import_id: int) -> QuerySet[RejectedRow]:
    """The rows of an import that were not taken, in the feed's order; read them with the tenant in use."""
    return requesting.rejected(CATALOGUE, tenant, import_id)


def forget_rows(row: Import) -> None:
    """Forget what the import noted row by row, to begin anew."""
    CATALOGUE.forget_rejected([row])
    ImportedItem.objects.filter(import_run=row).delete()


def _told(row: Import) -> dict[str, Any]:
    source = row.source.key if row.source else None
    told = {"source": source, "url": addresses.redacted(row.url), "filename": row.filename}
    return audit.values(row, ["format", "mode", "max_deleted_share"]) | told
