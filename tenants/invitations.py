"""Invitations to a tenant: a link that is sent to an email address, and that only somebody with that address takes.

Of the token in the link only the digest is kept. An address has at most one invitation to a tenant; inviting it again
makes a new link, and the former one is no longer good.
"""

import hashlib
import secrets
from datetime import timedelta
from smtplib import SMTPException
from typing import Final

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import audit, limits, members, people
from tenants.models import Invitation, Membership, Tenant, User
from tenants.types import Actor, Role

log = structlog.get_logger(__name__)

GOOD_FOR: Final = timedelta(days=7)
MAX_OPEN: Final = 100  # invitations of a tenant at a time


def invite(tenant: Tenant, person: User, email: str, role: Role, *, by: Actor) -> Invitation:
    """Send an email address an invitation on behalf of `person`, a new one if it has one already.

    Raises `forbidden`, `unverified_email`, `invalid`, `conflict` for members and for too many invitations, `throttled`,
    and `mail_unavailable` when the invitation is there but its email could not be sent.
    """
    address = _checked(email)
    members.check_may_give(person, tenant, role)
    if not people.is_verified(person):
        raise DomainError("unverified_email", "Verify your own email address before you invite others.")
    limits.take_invitation(tenant.slug)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        members.lock(tenant)
        members.check_may_give(person, tenant, role)
        row = _renewed(tenant, person, address, role, token)
        audit.record(by, "invitation.sent", ("invitation", address), tenant, after={"role": role})
    _send(row, person, token)
    return row


def _renewed(tenant: Tenant, person: User, address: str, role: Role, token: str) -> Invitation:
    if Membership.objects.filter(tenant=tenant, user__email__iexact=address).exists():
        raise DomainError("conflict", f"{address} is a member already.")
    row = Invitation.objects.filter(tenant=tenant, email__iexact=address).first()
    if row is None:
        if open_of(tenant).count() >= MAX_OPEN:
            raise DomainError("conflict", f"A shop has at most {MAX_OPEN} open invitations; withdraw some first.")
        row = Invitation(tenant=tenant, email=address)
    else:
        members.check_may_give(person, tenant, Role(row.role))
    row.role, row.digest, row.invited_by, row.expires_at = role, _digest(token), person, clock.now() + GOOD_FOR
    row.save()
    return row


def withdraw(tenant: Tenant, person: User, invitation: int, *, by: Actor) -> str:
    """End an invitation (by its id) on behalf of `person`; returns its email address."""
    with transaction.atomic():
        members.lock(tenant)
        row = get(tenant, invitation)
        members.check_may_give(person, tenant, Role(row.role))
        audit.record(by, "invitation.withdrawn", ("invitation", row.email), tenant, before={"role": row.role})
        row.delete()
    return row.email


def accept(token: str, person: User, *, by: Actor) -> Membership:
    """Make the person a member; the link has shown that the address is hers.

    Raises `not_found` for a link that is not good, or no longer, and `forbidden` for one to another address. Whoever is
    a member already keeps the role.
    """
    with transaction.atomic():
        members.lock(find(token).tenant)
        row = find(token)  # it may have been withdrawn, or taken, before the lock was there
        if not is_for(row, person):
            raise DomainError("forbidden", f"This invitation is for {row.email}.")
        EmailAddress.objects.filter(user=person, email__iexact=row.email).update(verified=True)
        member, joined = Membership.objects.get_or_create(tenant=row.tenant, user=person, defaults={"role": row.role})
        if joined:
            audit.record(by, "member.joined", ("membership", person.email), row.tenant, after={"role": row.role})
        row.delete()
    return member


def find(token: str) -> Invitation:
    """The invitation behind a link; `not_found` if there is none that is still good."""
    tenants = Tenant.objects.existing()
    good = Invitation.objects.filter(digest=_digest(token), expires_at__gt=clock.now(), tenant__in=tenants)
    row = good.select_related("tenant", "invited_by").first()
    if row is None:
        raise DomainError("not_found", "The link has expired, was used already, or was replaced by a newer one.")
    return row


def is_for(row: Invitation, person: User) -> bool:
    return row.email.lower() == person.email.lower()


def has_account(row: Invitation) -> bool:
    return User.objects.filter(email__iexact=row.email).exists()


def open_of(tenant: Tenant) -> QuerySet[Invitation]:
    """A tenant's invitations that nobody has taken, those that expired too, newest first."""
    return Invitation.objects.filter(tenant=tenant).select_related("invited_by").order_by("-id")


def get(tenant: Tenant, invitation: int) -> Invitation:
    """The tenant's invitation of that id; `not_found` if there is none."""
    row = Invitation.objects.filter(tenant=tenant, pk=invitation).first()
    if row is None:
        raise DomainError("not_found", "There is no such invitation here.")
    return row


def _checked(email: str) -> str:
    """The address as it is stored; `invalid` if it is none."""
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        message = " ".join(error.messages)
        raise DomainError("invalid", errors=[{"pointer": "/email", "code": "invalid", "message": message}]) from error
    return address


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _send(row: Invitation, person: User, token: str) -> None:
    link = f"{settings.DASHBOARD_URL}/invitations/{token}/"
    text = render_to_string("email/invitation.txt", {"invitation": row, "person": person, "link": link})
    subject = " ".join(f"{person.email} invites you to {row.tenant.name}".split())  # names may hold line breaks
    try:
        send_mail(subject, text, None, [row.email])
    except (SMTPException, OSError) as error:
        log.warning("invitation not sent", tenant=row.tenant.slug, error=str(error))
        detail = "The invitation is there, but its email could not be sent; invite the address again."
        raise DomainError("mail_unavailable", detail) from error
