"""Whom an export or an erasure is about, and which events are theirs."""

import hmac
import re
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from events.models import Erasure
from recomengine.lib.errors import DomainError
from tenants.types import TenantRef

_IDENTIFIER: Final = re.compile(r"[ -~]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an erasure is about.

    `browsers` are those the id was seen with as a user, of which `own` are nobody else's (None: not known yet); `users`
    were seen with the id as a browser.
    """

    id: str
    browsers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    own: tuple[str, ...] | None = None

    @staticmethod
    def of(row: Erasure) -> "Subject":
        kept = row.subject
        own = None if kept["own"] is None else tuple(kept["own"])
        return Subject(kept["id"], tuple(kept["browsers"]), tuple(kept["users"]), own)

    @property
    def own_browsers(self) -> list[str]:
        return list(self.own or ())

    @property
    def visitors(self) -> list[str]:
        """The browsers whose events are, or were in part, erased."""
        return [self.id, *self.browsers]


def checked(identifier: str) -> str:
    """An id as events may have it; `invalid` otherwise."""
    if not _IDENTIFIER.match(identifier):
        raise DomainError("invalid", "An id is 1 to 128 printable ASCII characters.")
    return identifier


def digest_of(tenant: TenantRef, identifier: str) -> str:
    """What is kept of an id: nobody finds the id by it who has not the server's secret and a guess."""
    return hmac.new(settings.ERASURE_KEY, f"{tenant.slug}:{identifier}".encode(), "sha256").hexdigest()


def of_subject(batch: pa.RecordBatch, subject: Subject) -> pa.Array:
    """Which rows are the subject's: under the id, and anonymous ones of browsers that are nobody else's."""
    user = pc.fill_null(pc.equal(batch["user_id"], subject.id), False)
    named = pc.or_(pc.equal(batch["visitor_id"], subject.id), user)
    own = pc.is_in(batch["visitor_id"], value_set=pa.array(subject.own_browsers, pa.string()))
    return pc.or_(named, pc.and_(own, pc.is_null(batch["user_id"])))
