"""Tokens that let a page of the dashboard open one stream of the API, which is at another address.

A browser's EventSource sends no headers, and its cookies stay with the dashboard. So the page gets a token for the
address: signed, for one person, one shop and the page's own origin, good for a minute. What it opened goes on as long
as `caller` finds the person to be let in.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from django.core import signing
from django.utils.crypto import constant_time_compare

from recomengine.lib.errors import DomainError
from tenants import people
from tenants.models import User
from tenants.types import Caller

GOOD_FOR: Final = 60  # seconds, to begin with
_SALT: Final = "tenants.page_tokens"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: whose page it is, of which shop, and from which origin it may ask."""

    person: int
    slug: str
    origin: str
    auth: str

    def allows_origin(self, origin: str | None) -> bool:
        return origin is None or origin == self.origin


def issue(user: User, slug: str, origin: str) -> str:
    """A token for a page of that origin about the tenant of that slug."""
    return signing.dumps([user.pk, slug, origin, _auth(user)], salt=_SALT)


def read(text: str) -> Claims:
    """What a token says; `invalid_token` if it is none or too old."""
    try:
        person, slug, origin, auth = signing.loads(text, salt=_SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        raise DomainError("invalid_token", "Load the page again: its token is good for a minute.") from None
    return Claims(person, slug, origin, auth)


def caller(claims: Claims) -> Caller:
    """The person as she may call now; `invalid_token` if her sessions ended, `not_found` if the shop is shut to her."""
    user = User.objects.filter(pk=claims.person, is_active=True).first()
    if user is None or not constant_time_compare(_auth(user), claims.auth):
        raise DomainError("invalid_token")
    people.check_operator(user)
    return people.caller(user, claims.slug)


def _auth(user: User) -> str:
    """What changes when the person's sessions end; a digest, because tokens stand in addresses."""
    return blake2b(user.get_session_auth_hash().encode(), digest_size=12).hexdigest()
