"""People, their memberships and rights, and what the libraries keep of their accounts."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from recomengine.lib.errors import DomainError
from tenants import audit, members, operating
from tenants.admin.base import Operated, ReadOnly, by, is_superuser
from tenants.models import Invitation, Membership, User
from tenants.types import Actor, Role

BY_SUPERUSERS = ("is_staff", "is_superuser", "groups", "user_permissions")
UNFOLDED = (Group, EmailAddress, Authenticator, UserSession, OutstandingToken, BlacklistedToken)

for model in UNFOLDED:  # tenants.admin has imported the libraries' own pages, which these replace
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(Operated):
    """Name and rights; address and password are changed by the person alone. `create_person` makes an account."""

    list_display = ["email", "name", "is_active", "is_staff", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "name"]
    fields = ["email", "name", "is_active", *BY_SUPERUSERS, "last_login", "date_joined"]
    readonly_fields = ["email", "is_active", "last_login", "date_joined"]
    filter_horizontal = ["groups", "user_permissions"]
    actions = ["disable", "enable"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.readonly_fields, *(() if is_superuser(request) else BY_SUPERUSERS)]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in operating.EDITABLE}
        operating.edit_person(obj, changes, by=by(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        lists = [name for name in ("groups", "user_permissions") if name in form.changed_data]
        before = {name: _names(getattr(form.instance, name)) for name in lists}
        super().save_related(request, form, formsets, change)
        after = {name: _names(getattr(form.instance, name)) for name in lists}
        if lists:
            audit.record(by(request), "person.edited", form.instance, before=before, after=after)

    @admin.action(description="Disable: they sign in no more", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        _check_may_touch(request, queryset)
        self.do(request, queryset, operating.disable_person, "disabled")

    @admin.action(description="Enable: they sign in again", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        _check_may_touch(request, queryset)
        self.do(request, queryset, operating.enable_person, "enabled")


def _check_may_touch(request: HttpRequest, chosen: QuerySet[User]) -> None:
    if chosen.filter(email=request.user.get_username()).exists():
        raise DomainError("conflict", "Nobody disables or enables herself.")
    if not is_superuser(request) and chosen.filter(is_staff=True).exists():
        raise DomainError("forbidden", "Only superusers disable and enable staff.")


def _names(related: Any) -> list[str]:
    return sorted(str(each) for each in related.all())


@admin.register(Membership)
class MembershipAdmin(Operated):
    list_display = ["user", "tenant", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "tenant"]
    search_fields = ["user__email", "tenant__slug", "tenant__name"]
    autocomplete_fields = ["user", "tenant"]
    fields = ["user", "tenant", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "tenant"] if obj else []

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        members.assign(obj.tenant, obj.user, Role(obj.role), by=by(request))
        obj.pk = Membership.objects.get(tenant=obj.tenant, user=obj.user).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        _end(obj, by(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for row in queryset:
            _end(row, by(request))


def _end(row: Membership, who: Actor) -> None:
    members.assign(row.tenant, row.user, None, by=who)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ["email", "tenant", "role", "invited_by", "created_at", "expires_at"]
    list_filter = ["role"]
    list_select_related = ["tenant", "invited_by"]
    search_fields = ["email", "tenant__slug"]


@admin.register(Group)
class GroupAdmin(Operated):
    """Sets of rights for staff; only superusers change what staff may do."""

    search_fields = ["name"]
    filter_horizontal = ["permissions"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        old = {"name": form.initial.get("name"), "permissions": _names(form.instance.permissions)} if change else None
        super().save_related(request, form, formsets, change)
        new = {"name": form.instance.name, "permissions": _names(form.instance.permissions)}
        action = "group.edited" if change else "group.created"
        audit.record(by(request), action, ("group", new["name"]), before=old, after=new)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        audit.record(by(request), "group.deleted", ("group", obj.name), before={"permissions": _names(obj.permissions)})
        obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnly):
    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["primary", "verified"]
    list_select_related = ["user"]
    search_fields = ["email", "user__email"]


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    """Second factors, without their seeds."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__email"]


@admin.register(UserSession)
class UserSessionAdmin(ReadOnly):
    """Sessions of the dashboard, without what the cookie holds."""

    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "ip"]


@admin.register(OutstandingToken)
class OutstandingTokenAdmin(ReadOnly):
    """Refresh tokens that were given out, without the tokens."""

    list_display = ["jti", "user", "created_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["jti", "user__email"]
    ordering = ["-id"]


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(ReadOnly):
    """Refresh tokens that are spent."""

    list_display = ["jti", "person", "blacklisted_at"]
    list_select_related = ["token__user"]
    search_fields = ["token__jti", "token__user__email"]
    fields = ["jti", "person", "blacklisted_at"]
    readonly_fields = ["jti", "person", "blacklisted_at"]
    ordering = ["-id"]

    @admin.display(ordering="token__jti")
    def jti(self, row: BlacklistedToken) -> str:
        return row.token.jti

    @admin.display(ordering="token__user__email")
    def person(self, row: BlacklistedToken) -> str:
        return str(row.token.user or "")
