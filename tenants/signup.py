"""Signing up: an account, and with it a shop and its first keys, all or nothing."""

from dataclasses import dataclass, field

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from recomengine.lib.errors import DomainError
from tenants import limits, people
from tenants.keys import Token
from tenants.models import Tenant, User
from tenants.provisioning import NewTenant, open_shop
from tenants.types import Actor, KeyType


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The new person, and the shop with its keys, if one was asked for."""

    user: User
    tenant: Tenant | None = None
    keys: dict[KeyType, Token] = field(default_factory=dict)


def sign_up(
    request: HttpRequest, email: str, password: str, name: str = "", shop: NewTenant | None = None, *, by: Actor,
    invited: bool = False,
) -> SignedUp:  # fmt: skip
    """Make the account, open the shop and have a verification email sent.

    Who was `invited` has shown by the link that the address is hers, and may come although sign-up is closed. Raises
    `sign_up_closed`, `throttled`, `conflict` and `invalid`.
    """
    if not (settings.SIGN_UP_OPEN or invited):
        raise DomainError("sign_up_closed")
    limits.take_sign_up(by.address)
    user = people.prepare(email, password, name)  # outside the transaction: hashing takes a while, and on purpose
    with transaction.atomic():
        address = people.add(user, by=by, verified=invited)
        if not invited:
            transaction.on_commit(lambda: send_verification(request, address))
        if shop is None:
            return SignedUp(user)
        tenant, made = open_shop(user, shop, by=by)
        return SignedUp(user, tenant, made)


def send_verification(request: HttpRequest, address: EmailAddress) -> None:
    address.send_confirmation(request, signup=True)
