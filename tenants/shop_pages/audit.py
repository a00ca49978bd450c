"""The page of a shop's audit log, and its export."""

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import BadRequest
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from recomengine.lib import clock
from tenants import audit
from tenants.dashboard import PageRequest, Shop, actor_of, row_of, shop_page
from tenants.models import AuditEntry, Tenant
from tenants.shop_pages.forms import DayField, ShopForm, begins, ends
from tenants.types import Scope

ROWS: Final = 50
RECENT: Final = 2_000  # entries whose actions can be chosen
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ACTION: Final = re.compile(r"[a-z_.]{1,64}")
COLUMNS: Final = (
    "at", "actor_kind", "actor", "address", "action", "object_type", "object_id", "before", "after", "request_id",
)  # fmt: skip


class FilterForm(ShopForm):
    actor = forms.CharField(
        required=False, max_length=254, label="Who", widget=forms.TextInput(attrs={"placeholder": "Email or key id"})
    )
    action = forms.ChoiceField(required=False, label="What", widget=forms.Select(attrs={"data-submit": True}))
    subject = forms.CharField(
        required=False,
        max_length=254,
        label="To what",
        widget=forms.TextInput(attrs={"placeholder": "Email, key id …"}),
    )
    since = DayField(required=False, label="From")
    until = DayField(required=False, label="To")
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    after = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)

    def __init__(self, tenant: Tenant, data: Any) -> None:
        super().__init__(data)
        recent = set(audit.entries(tenant).values_list("action", flat=True)[:RECENT])
        wanted = data.get("action", "")
        known = sorted(recent | ({wanted} if ACTION.fullmatch(wanted) else set()))
        self.fields["action"].choices = [("", "Anything"), *((each, words(each)) for each in known)]  # type: ignore[attr-defined]

    def found(self, tenant: Tenant, shop: Shop) -> QuerySet[AuditEntry]:
        data = self.cleaned_data
        span = {"since": begins(data["since"], shop.zone), "until": ends(data["until"], shop.zone)}
        return audit.entries(tenant, actor=data["actor"], action=data["action"], subject=data["subject"], **span)


class Change(NamedTuple):
    """A value that an entry tells of, before and after, in words."""

    name: str
    before: str | None
    after: str | None


class Listed(NamedTuple):
    """An entry as the list shows it."""

    row: AuditEntry
    action: str
    subject_type: str
    changes: list[Change]


class Slice(NamedTuple):
    """A page of entries, and the ids from which the neighbouring ones go on."""

    rows: list[AuditEntry]
    newer: int | None
    older: int | None


@require_safe
@shop_page(scope=Scope.OWN)
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """The newest entries that the filters let through; `before` and `after` an id for the ones next to them."""
    tenant = row_of(shop)
    form = FilterForm(tenant, request.GET)
    cut = Slice([], None, None)
    if form.is_valid():
        cut = sliced(form.found(tenant, shop), form.cleaned_data["before"], form.cleaned_data["after"])
    filters = request.GET.copy()
    filters.pop("before", None)
    filters.pop("after", None)
    context = {
        "shop": shop,
        "form": form,
        "entries": [
            Listed(row, words(row.action), words(row.object_type), changes(row, shop.zone)) for row in cut.rows
        ],
        "newer": cut.newer,
        "older": cut.older,
        "filtered": any(filters.values()),
        "filters": filters.urlencode(),
    }
    part = bool(request.htmx) and not request.htmx.history_restore_request
    template = "shop/audit_entries.html" if part else "shop/audit.html"
    response = render(request, template, context, status=400 if form.errors and not part else 200)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@shop_page(scope=Scope.OWN)
def export(request: PageRequest, shop: Shop, kind: str) -> StreamingHttpResponse:
    """All entries that the filters let through, streamed; that somebody took them is an entry too."""
    tenant = row_of(shop)
    form = FilterForm(tenant, request.GET)
    if not form.is_valid():
        raise BadRequest("The filters are not valid.")
    found = form.found(tenant, shop)
    filters = {name: value for name, value in request.GET.items() if value and name in form.fields}
    audit.record(
        actor_of(request), "audit_log.exported", tenant, tenant,
        after={"format": kind, **filters},
    )  # fmt: skip
    lines, media = (csv_lines, "text/csv; charset=utf-8") if kind == "csv" else (json_lines, "application/jsonl")
    name = f"{tenant.slug}-audit-log-{clock.now().astimezone(shop.zone):%Y-%m-%d}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines(found), content_type=media, headers=headers)


def sliced(found: QuerySet[AuditEntry], before: int | None, after: int | None) -> Slice:
    """One page of entries, newest first: those before an id, or those just after one."""
    if after is not None:
        rows = list(found.filter(pk__gt=after).order_by("pk")[: ROWS + 1])
        more, rows = len(rows) > ROWS, rows[:ROWS][::-1]
        return Slice(rows, rows[0].pk if rows and more else None, rows[-1].pk if rows else None)
    rows = list((found if before is None else found.filter(pk__lt=before))[: ROWS + 1])
    more, rows = len(rows) > ROWS, rows[:ROWS]
    return Slice(rows, rows[0].pk if rows and before is not None else None, rows[-1].pk if more else None)


def words(action: str) -> str:
    """An action, or the type of its object, as one reads it: `api_key.revoked` → API key revoked."""
    text = action.replace(".", " ").replace("_", " ").replace("tenant", "shop")
    return (text[:1].upper() + text[1:]).replace("Api key", "API key")


def changes(entry: AuditEntry, zone: ZoneInfo) -> list[Change]:
    """What an entry says of its object, value by value; what was and is empty is left out."""
    before, after = entry.before or {}, entry.after or {}
    found = [
        Change(name.replace("_", " "), shown(before, name, zone), shown(after, name, zone))
        for name in {**before, **after}
    ]
    return [each for each in found if each.before or each.after]


def shown(values: dict[str, Any], name: str, zone: ZoneInfo) -> str | None:
    """A value in words, a moment (`…_at`) in the shop's time zone; None where there is none."""
    value = values.get(name)
    if value is None or value in ("", []):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        moment = parse_datetime(value) if name.endswith("_at") else None
        return date_format(moment.astimezone(zone), "j M Y, H:i:s") if moment else value
    return json.dumps(value, ensure_ascii=False)


def csv_lines(found: QuerySet[AuditEntry]) -> Iterator[str]:
    """A header, then a line an entry; spreadsheets take no value for a formula."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in found.iterator(chunk_size=RECENT):
        writer.writerow([harmless(each) for each in _values(entry)])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _values(entry: AuditEntry) -> Iterator[str]:
    for name in COLUMNS:
        value = getattr(entry, name)
        yield value.isoformat() if name == "at" else value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def harmless(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would reckon with it."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def json_lines(found: QuerySet[AuditEntry]) -> Iterator[str]:
    """An object a line, with the names of the API."""
    for entry in found.iterator(chunk_size=RECENT):
        yield (
            json.dumps({name: getattr(entry, name) for name in COLUMNS}, cls=DjangoJSONEncoder, ensure_ascii=False)
            + "\n"
        )
