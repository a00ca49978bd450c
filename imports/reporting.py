"""The rows of an import that were not taken, as a table for spreadsheets."""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest, StreamingHttpResponse

from imports import requesting
from imports.kinds import Kind
from recomengine.lib.streaming import download
from tenants import tenancy
from tenants.types import TenantRef

COLUMNS: Final = ("line", "item_id", "field", "code", "message", "value")
_CHUNK: Final = 1000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def errors_file(kind: Kind[Any], request: HttpRequest, tenant: TenantRef, import_id: int) -> StreamingHttpResponse:
    """The table as a file to be saved; `not_found` is raised at once."""
    name = f"{kind.name}-{import_id}-errors.csv".replace("_", "-")
    return download(request, errors_csv(kind, tenant, import_id), name, "text/csv; charset=utf-8")


def errors_csv(kind: Kind[Any], tenant: TenantRef, import_id: int) -> Iterator[bytes]:
    """The table, a piece at a time; `not_found` is raised at once."""
    found = requesting.get(kind, tenant, import_id)
    return _table(kind, tenant, found.pk)


def _table(kind: Kind[Any], tenant: TenantRef, import_id: int) -> Iterator[bytes]:
    yield _csv([COLUMNS])
    last = 0
    while True:
        rows = kind.rejected._default_manager.filter(import_run=import_id, pk__gt=last).order_by("pk")
        with tenancy.use(tenant):
            chunk = list(rows.values_list("pk", *COLUMNS)[:_CHUNK])
        if not chunk:
            return
        yield _csv([tuple(map(_safe, row[1:])) for row in chunk])
        last = chunk[-1][0]


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _safe(value: object) -> object:
    """A file's text that a spreadsheet would take for a formula is kept from being one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
