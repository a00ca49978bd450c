"""Tenants and what belongs to them: API keys, usage, host names."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from recomengine.lib import clock
from tenants import changing, keys
from tenants.admin.base import Operated, ReadOnly, by
from tenants.models import ApiKey, Domain, Tenant, Usage


@admin.register(Tenant)
class TenantAdmin(Operated):
    """Settings; `create_tenant` makes one, the actions suspend, activate and delete, `purge_tenants` destroys."""

    list_display = ["name", "slug", "status", "plan", "currency", "created_at", "deleted_at"]
    list_filter = ["status", "plan"]
    search_fields = ["name", "slug"]
    fields = [*changing.BY_STAFF, "slug", "schema_name", "status", "created_at", "deleted_at"]
    readonly_fields = ["slug", "schema_name", "status", "created_at", "deleted_at"]
    actions = ["suspend", "activate", "delete"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Django's own would destroy the row and leave the schema

    def has_end_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tenants.delete_tenant"))

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        changing.edit_tenant(obj, {name: form.cleaned_data[name] for name in form.changed_data}, by=by(request))

    @admin.action(description="Suspend: refuse its keys and pages", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        self.do(request, queryset, changing.suspend_tenant, "suspended")

    @admin.action(description="Activate: open it again", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        self.do(request, queryset, changing.activate_tenant, "activated")

    @admin.action(description="Delete: gone for its people and keys, purged after 30 days", permissions=["end"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        self.do(request, queryset, changing.delete_tenant, "deleted")


@admin.register(ApiKey)
class ApiKeyAdmin(Operated):
    """Read only, but for revoking; `create_key` and `rotate_key` make keys, and show them once."""

    list_display = ["__str__", "tenant", "type", "name", "state", "pepper", "last_used_at", "expires_at"]
    list_filter = ["type"]
    list_select_related = ["tenant"]
    search_fields = ["key_id", "name", "tenant__slug"]
    exclude = ["digest", "pepper_id"]
    readonly_fields = ["state", "pepper"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tenants.change_apikey"))

    @admin.display(description="status")
    def state(self, row: ApiKey) -> str:
        return row.status_at(clock.now())

    @admin.display(description="pepper")
    def pepper(self, row: ApiKey) -> str:
        return keys.pepper_of(row)

    @admin.action(description="Revoke, with the keys that they made", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self.do(request, queryset.select_related("tenant"), _revoke, "revoked")


def _revoke(row: ApiKey, **who: Any) -> None:
    row.refresh_from_db(fields=["revoked_at"])
    if row.revoked_at is None:  # else the key that made it took it along
        keys.revoke_key(row.tenant, row.key_id, **who)


@admin.register(Usage)
class UsageAdmin(ReadOnly):
    list_display = ["tenant", "month", "events", "warned_at"]
    list_filter = ["month"]
    list_select_related = ["tenant"]
    search_fields = ["tenant__slug", "tenant__name"]


@admin.register(Domain)
class DomainAdmin(ReadOnly):
    list_display = ["domain", "tenant", "is_primary"]
    search_fields = ["domain", "tenant__slug"]
