"""Asking for imports of events, stopping them, going on with them, and looking at them."""

from collections.abc import Iterable
from typing import BinaryIO, Final
from zoneinfo import available_timezones

from django.db.models import QuerySet

from events.importing.columns import FIELDS
from events.importing.kind import EVENTS, FILES
from events.importing.types import Format, NewImport
from events.models import Import, RejectedRow
from events.types import types_of
from imports import requesting, storing
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds.opening import decoded, head_of
from tenants import audit
from tenants.types import Actor, TenantRef

_TOLD: Final = ["format", "type", "filename"]


def start(tenant: TenantRef, new: NewImport, file: Iterable[bytes], *, by: Actor) -> Import:
    """Store an upload and have a worker import it; returns it while it waits.

    `file` yields the upload's bytes. Raises `invalid`, `payload_too_large`, `too_many_imports`.
    """
    row = request(tenant, new, file, by=by)
    EVENTS.run_later(tenant)
    return row


def request(tenant: TenantRef, new: NewImport, file: Iterable[bytes], *, by: Actor) -> Import:
    """The same without asking a worker; `running.run_pending` runs it."""
    _check(tenant, new)
    row = Import(
        type=new.type, timezone=new.timezone, date_format=new.date_format, mapping=dict(new.mapping),
        filename=requesting.name_of(new.filename), requested_by=by.name[:200],
    )  # fmt: skip
    with FILES.incoming(tenant) as (stored, keep):
        storing.receive(file, stored)
        row.bytes_total = stored.tell()
        row.format = new.format or _detected(stored)
        told = audit.values(row, _TOLD)
        requesting.save(EVENTS, tenant, row, by=by, told=lambda: told, also=lambda: keep(row.pk))
    return row


def _check(tenant: TenantRef, new: NewImport) -> None:
    types = types_of(tenant.event_types)
    if new.type and new.type not in types:
        raise DomainError("invalid", f"`type` is one of {', '.join(types)}, or a type that the shop registered.")
    if new.timezone not in available_timezones():
        raise DomainError("invalid", "`timezone` is a name of the IANA time zone database, e.g. Europe/Berlin.")
    if len(new.date_format) > 64 or "\x00" in new.date_format:
        raise DomainError("invalid", "`date_format` has at most 64 characters, such as `%d.%m.%Y %H:%M`.")
    for column, to in new.mapping.items():
        if to and to not in FIELDS:
            raise DomainError(
                "invalid", f"There is no field {to[:40]!r}; map columns to {', '.join(FIELDS)}, or to ''."
            )
        if "\x00" in column:
            raise DomainError("invalid", "No name of a column holds a NUL character.")
    chosen = [to for to in new.mapping.values() if to]
    if len(set(chosen)) < len(chosen):
        raise DomainError("invalid", "`mapping` has two columns go to the same field.")


def _detected(file: BinaryIO) -> Format:
    """JSON if the file begins like it, else a table."""
    file.flush()
    return Format.JSONL if decoded(head_of(file)).lstrip("\ufeff \t\r\n").startswith(("{", "[")) else Format.CSV


def cancel(tenant: TenantRef, import_id: int, *, by: Actor) -> Import:
    """Stop an import; raises what `requesting.cancel` does."""
    return requesting.cancel(EVENTS, tenant, import_id, by=by)


def resume(tenant: TenantRef, import_id: int, *, by: Actor) -> Import:
    """Go on with an import that was cancelled or failed, where it stopped; raises what `requesting.resume` does."""
    return requesting.resume(EVENTS, tenant, import_id, by=by)


def get(tenant: TenantRef, import_id: int) -> Import:
    """One import; `not_found` if there is none of that id."""
    return requesting.get(EVENTS, tenant, import_id)


def listed() -> QuerySet[Import]:
    """The imports of the tenant in use, newest first."""
    return Import.objects.all()


def rejected(tenant: TenantRef, import_id: int) -> QuerySet[RejectedRow]:
    """The rows of an import that were not taken, in the file's order; read them with the tenant in use."""
    return requesting.rejected(EVENTS, tenant, import_id)
