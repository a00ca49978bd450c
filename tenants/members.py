"""Who belongs to a tenant, and as what: roles change, people are removed, people leave.

Every change locks the tenant first, so that changes of one tenant come one after the other: of two owners who remove
each other, the second is refused. Whoever changes something is asked for her role under that lock.
"""

from allauth.mfa.models import Authenticator
from django.db import transaction

from recomengine.lib.errors import DomainError
from tenants import audit, people
from tenants.models import Invitation, Membership, Tenant, User
from tenants.types import Actor, Role, Scope


def change_role(tenant: Tenant, person: User, member: int, role: Role, *, by: Actor) -> Membership:
    """Give a member (by the membership's id) another role, on behalf of `person`.

    Raises `not_found`, `forbidden` and `last_owner`.
    """
    with transaction.atomic():
        lock(tenant)
        row = get(tenant, member)
        check_may_give(person, tenant, Role(row.role))
        check_may_give(person, tenant, role)
        _change(row, role, by)
    return row


def assign(tenant: Tenant, user: User, role: Role | None, *, by: Actor) -> Role | None:
    """Make somebody a member, change the role, or (None) end the membership, as operators do; returns the role before.

    Raises `last_owner`, and `not_found` for the end of a membership that is none.
    """
    with transaction.atomic():
        lock(tenant)
        row = of(tenant, user)
        if row is None:
            if role is None:
                raise DomainError("not_found", f"{user.email} is no member of {tenant.slug}.")
            row = Membership.objects.create(tenant=tenant, user=user, role=role)
            _record(by, "member.joined", row, after={"role": role})
            return None
        before = Role(row.role)
        if role is None:
            _end(row, "member.removed", by)
        else:
            _change(row, role, by)
    return before


def remove(tenant: Tenant, person: User, member: int, *, by: Actor) -> str:
    """Remove a member (by the membership's id) on behalf of `person`; returns the email address.

    Raises `not_found`, `forbidden` and `last_owner`.
    """
    with transaction.atomic():
        lock(tenant)
        row = get(tenant, member)
        check_may_give(person, tenant, Role(row.role))
        _end(row, "member.removed", by)
    return row.user.email


def leave(tenant: Tenant, person: User, *, by: Actor) -> None:
    """End one's own membership; `not_found` without one, `last_owner` for the last owner."""
    with transaction.atomic():
        lock(tenant)
        row = of(tenant, person)
        if row is None:
            raise DomainError("not_found", "You are no member of this shop.")
        _end(row, "member.left", by)


def get(tenant: Tenant, member: int) -> Membership:
    """The tenant's membership of that id; `not_found` if there is none."""
    row = Membership.objects.select_related("user", "tenant").filter(tenant=tenant, pk=member).first()
    if row is None:
        raise DomainError("not_found", "There is no such member here.")
    return row


def of(tenant: Tenant, person: User) -> Membership | None:
    return Membership.objects.select_related("user", "tenant").filter(tenant=tenant, user=person).first()


def without_second_factor(tenant: Tenant) -> list[str]:
    """The email addresses of the members who have no second factor."""
    found = Membership.objects.filter(tenant=tenant).exclude(user__in=Authenticator.objects.values("user"))
    return list(found.order_by("user__email").values_list("user__email", flat=True))


def lock(tenant: Tenant) -> None:
    """Let nobody else change the tenant's people until the transaction ends."""
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)


def check_may_give(person: User, tenant: Tenant, role: Role) -> None:
    """Refuse whoever may not make somebody that, nor unmake it: owners are the business of owners."""
    own = people.role_in(person, tenant)
    needed = Scope.OWN if role is Role.OWNER else Scope.MANAGE
    if own is None or needed not in own.scopes:
        whose = (
            "Only owners make, change and remove owners." if role is Role.OWNER else "Only owners and admins do that."
        )
        raise DomainError("forbidden", whose)


def _check_owner_stays(row: Membership) -> None:
    others = Membership.objects.filter(tenant=row.tenant, role=Role.OWNER, user__is_active=True).exclude(pk=row.pk)
    if row.role == Role.OWNER and not others.exists():
        raise DomainError("last_owner", "A shop keeps at least one owner; make somebody else an owner first.")


def _change(row: Membership, role: Role, by: Actor) -> None:
    if role == row.role:
        return
    _check_owner_stays(row)
    before, row.role = row.role, role
    row.save(update_fields=["role"])
    _record(by, "member.role_changed", row, before={"role": before}, after={"role": role})
    _withdraw_invitations(row, role, by)


def _end(row: Membership, action: str, by: Actor) -> None:
    _check_owner_stays(row)
    _record(by, action, row, before={"role": row.role})
    _withdraw_invitations(row, None, by)
    row.delete()


def _withdraw_invitations(row: Membership, role: Role | None, by: Actor) -> None:
    """Withdraw the member's open invitations that she could no longer make: they are no way back in."""
    may = role.scopes if role else frozenset()
    for invitation in Invitation.objects.filter(tenant=row.tenant, invited_by=row.user):
        if (Scope.OWN if invitation.role == Role.OWNER else Scope.MANAGE) not in may:
            subject = ("invitation", invitation.email)
            audit.record(by, "invitation.withdrawn", subject, row.tenant, before={"role": invitation.role})
            invitation.delete()


def _record(
    by: Actor, action: str, row: Membership, *, before: audit.Values | None = None, after: audit.Values | None = None
) -> None:
    audit.record(by, action, ("membership", row.user.email), row.tenant, before=before, after=after)
