"""The admin's first page: how the platform stands, as far as the operator may see it."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse

from recomengine.lib import clock
from recomengine.lib.commands import cell
from tenants import audit, reports
from tenants.plans import WARN_AT

LATEST: Final = 10
FULLEST: Final = 10


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What `admin/home.html` shows beside the list of tables."""
    person = request.user
    sees_tenants, sees_people = person.has_perm("tenants.view_tenant"), person.has_perm("tenants.view_user")
    return context | {
        "statuses": _statuses() if sees_tenants else [],
        "sign_ups": reports.sign_ups(clock.now() - reports.SIGN_UPS) if sees_people else None,
        "sign_ups_days": reports.SIGN_UPS.days,
        "full": _full() if sees_tenants else None,
        "warn_at": f"{WARN_AT:.0%}",
        "latest": _latest() if person.has_perm("tenants.view_auditentry") else None,
    }


def _statuses() -> list[dict[str, Any]]:
    tenants = reverse("admin:tenants_tenant_changelist")
    return [
        {"name": status, "count": count, "href": f"{tenants}?status__exact={status}"}
        for status, count in reports.counts_by_status().items()
    ]


def _full() -> dict[str, Any]:
    names = ("slug", "plan", "events", "events_per_month", "used")
    rows = [[cell(row[name]) for name in names] for row in reports.near_their_limit()[:FULLEST]]
    return {"headers": ["shop", "plan", "events", "of", "used"], "rows": rows}


def _latest() -> dict[str, Any]:
    rows = [[cell(entry.at), entry.actor, entry.action, entry.object_id] for entry in audit.entries(None)[:LATEST]]
    return {"headers": ["at (UTC)", "who", "did", "to"], "rows": rows}
