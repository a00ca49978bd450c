"""Asking for imports, stopping them, going on with them, and looking at them."""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from imports.kinds import Kind
from imports.models import R, pending
from recomengine.lib.errors import DomainError
from tenants import audit, directory, tenancy
from tenants.types import Actor, TenantRef

MAX_WAITING: Final = 20


def save(
    kind: Kind[R], tenant: TenantRef, row: R, *, by: Actor, told: Callable[[], Mapping[str, Any]],
    also: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Have a new import wait for its turn; `also` is done in the same transaction. Raises `too_many_imports`."""
    with transaction.atomic():
        with tenancy.use(tenant):
            if pending(kind.rows()).count() >= MAX_WAITING:
                raise DomainError("too_many_imports", f"{MAX_WAITING} imports wait already; cancel some, or wait.")
            row.save(force_insert=True)
            row.refresh_from_db(fields=["requested_at"])
            also()
        _record(kind, tenant, row, "requested", by, after=told())


def name_of(filename: str) -> str:
    """A file's name to show: the last part of a path, without characters that are none to read."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    return "".join(char for char in name if char.isprintable())[:300]


def cancel(kind: Kind[R], tenant: TenantRef, import_id: int, *, by: Actor) -> R:
    """Stop an import: at once if it waits, else after the rows at hand. What was imported stays.

    Raises `not_found`, and `conflict` for one that is over.
    """
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _one(kind.rows().select_for_update(), import_id)
            if row.is_over:
                raise DomainError("conflict", f"Import {row.pk} is {row.status} already.")
            if row.status == row.Status.QUEUED:
                row.end(row.Status.CANCELLED)
            row.cancel_requested = True
            row.save()
        _record(kind, tenant, row, "cancelled", by)
    return row


def resume(
    kind: Kind[R], tenant: TenantRef, import_id: int, *, by: Actor, changes: Mapping[str, Any] | None = None,
    told: Mapping[str, Any] | None = None,
) -> R:  # fmt: skip
    """Go on with an import that was cancelled or failed, where it stopped, some of its columns changed.

    Raises `not_found`, `conflict`, `file_gone`.
    """
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _one(kind.rows().select_for_update(), import_id)
            if row.status not in {row.Status.CANCELLED, row.Status.FAILED}:
                raise DomainError("conflict", f"Import {row.pk} is {row.status}; failed and cancelled ones resume.")
            if not row.is_fetched and not kind.files.path(tenant, row.pk).exists():
                raise DomainError("file_gone", "The file is no longer kept; upload it again.")
            row.status, row.cancel_requested, row.finished_at = row.Status.QUEUED, False, None
            row.error_code = row.error = ""
            for name, value in (changes or {}).items():
                setattr(row, name, value)
            row.save()
        _record(kind, tenant, row, "resumed", by, after=told)
    kind.run_later(tenant)
    return row


def get(kind: Kind[R], tenant: TenantRef, import_id: int) -> R:
    """One import; `not_found` if there is none of that id."""
    with tenancy.use(tenant):
        return _one(kind.rows(), import_id)


def rejected(kind: Kind[R], tenant: TenantRef, import_id: int) -> "QuerySet[Any]":
    """The rows of an import that were not taken, in the file's order; read them with the tenant in use."""
    found: QuerySet[Any] = kind.rejected._default_manager.filter(import_run=get(kind, tenant, import_id))
    return found.order_by("pk")


def _one(rows: "QuerySet[R]", import_id: int) -> R:
    row = rows.filter(pk=import_id).first() if import_id < 1 << 63 else None
    if row is None:
        raise DomainError("not_found", f"There is no import {import_id} here.")
    return row


def _record(
    kind: Kind[R], tenant: TenantRef, row: R, action: str, by: Actor, *, after: Mapping[str, Any] | None = None
) -> None:
    """What people and keys do is told; what the schedule does is to be seen in the list of imports."""
    if by.kind != Actor.SYSTEM:
        subject = kind.name, str(row.pk)
        audit.record(by, f"{kind.name}.{action}", subject, directory.get_model(tenant.slug), after=after)
