"""What was done: the audit log, and Django's own of its pages."""

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.admin.base import ReadOnly
from tenants.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["at", "actor", "action", "object_type", "object_id", "shop", "address"]
    list_filter = ["actor_kind", "at"]
    search_fields = ["actor", "action", "object_id", "request_id"]
    fields = [
        "at", "shop", "actor_kind", "actor", "address", "request_id", "action", "object_type", "object_id", "before",
        "after",
    ]  # fmt: skip
    readonly_fields = ["shop"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.select_related("tenant")  # None for one that was purged

    @admin.display(description="shop", empty_value="")
    def shop(self, row: AuditEntry) -> str:
        """The tenant's slug, empty without one; one that was purged has only its number left."""
        if row.tenant_id is None:
            return ""
        return row.tenant.slug if row.tenant else f"purged ({row.tenant_id})"


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """What was done in the admin, as Django notes it; the audit log has it with before and after."""

    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag"]
    list_filter = ["action_flag", "action_time"]
    list_select_related = ["user", "content_type"]
    search_fields = ["object_repr", "user__email"]


def show_the_rest() -> None:
    """Give every table of ours without pages of its own some that show it."""
    for model in apps.get_app_config("tenants").get_models():
        if not admin.site.is_registered(model):
            admin.site.register(model, ReadOnly)
