"""The operators' admin of everything in the public schema."""

from django.contrib import admin
from django.contrib.auth.forms import AdminPasswordChangeForm
from unfold.admin import ModelAdmin

from tenants.models import ApiKey, Membership, Tenant, User


@admin.register(Tenant)
class TenantAdmin(ModelAdmin):  # type: ignore[misc]
    """Read only: `create_tenant`, `suspend_tenant` and `activate_tenant` also do what a row alone does not."""

    list_display = ["name", "slug", "status", "currency", "created_at"]
    list_filter = ["status"]
    search_fields = ["name", "slug"]
    readonly_fields = ["slug", "schema_name", "status", "created_at"]

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    search_fields = ["email", "name"]
    fields = ["email", "name", "is_active", "is_staff", "is_superuser", "groups", "last_login", "date_joined"]
    readonly_fields = ["last_login", "date_joined"]
    change_password_form = AdminPasswordChangeForm


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["user", "tenant", "role"]
    list_filter = ["role"]
    autocomplete_fields = ["user", "tenant"]


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    """Read only: keys are made and revoked by commands, which also tell the serving processes."""

    list_display = ["__str__", "tenant", "type", "name", "last_used_at", "revoked_at"]
    list_filter = ["type", "tenant"]
    exclude = ["digest"]

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False
