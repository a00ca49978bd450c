"""What other apps know of tenants, people and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final


class Scope(StrEnum):
    """What a caller may do with a tenant's things."""

    RECOMMEND = "recommend"
    TRACK = "track"
    READ = "read"
    WRITE = "write"
    KEYS = "keys"
    MANAGE = "manage"  # people and settings
    OWN = "own"  # the tenant itself: its owners, its audit log, its end


# The types of `events.types`, which no module of this app may import; a test holds the two equal.
BUILT_IN_EVENT_TYPES: Final = (
    "view", "click", "impression", "add_to_cart", "remove_from_cart", "purchase", "refund", "login"
)  # fmt: skip


class KeyType(StrEnum):
    PUBLISHABLE = "pub"
    READ_ONLY = "ro"
    READ_WRITE = "rw"


class Role(StrEnum):
    """What a person is in a tenant; each may all that the ones before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def scopes(self) -> frozenset[Scope]:
        return ROLE_SCOPES[self]


_READ: Final = frozenset({Scope.RECOMMEND, Scope.READ})
_WRITE: Final = _READ | {Scope.TRACK, Scope.WRITE}
SCOPES: Final[Mapping[KeyType, frozenset[Scope]]] = {
    KeyType.PUBLISHABLE: frozenset({Scope.RECOMMEND, Scope.TRACK}),
    KeyType.READ_ONLY: _READ,
    KeyType.READ_WRITE: _WRITE | {Scope.KEYS},
}
ROLE_SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.VIEWER: _READ,
    Role.EDITOR: _WRITE,
    Role.ADMIN: _WRITE | {Scope.KEYS, Scope.MANAGE},
    Role.OWNER: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class TenantRef:
    """A tenant as the other apps see it: its slug names it in Redis and on disk, its schema in PostgreSQL."""

    slug: str
    schema: str
    name: str
    currency: str
    notice: str = ""
    locale: str = "en"
    plan: str = "scale"
    retention_days: int = 396
    event_types: tuple[str, ...] = ()
    training_every: int = 60  # minutes; 0: only when asked for
    serving_log_share: float = 1.0  # of visitors, whose slates are logged


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where, as the audit log keeps it.

    `name` is an email address, a key id, an account of the operating system, or what the platform does by itself.
    """

    kind: str
    name: str
    address: str = ""
    request_id: str = ""

    PERSON: ClassVar[str] = "person"
    KEY: ClassVar[str] = "key"
    OPERATOR: ClassVar[str] = "operator"
    SYSTEM: ClassVar[str] = "system"


PLATFORM: Final = Actor(Actor.SYSTEM, "platform")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody authenticated who asks something about a tenant: an API key, or a person with a role there.

    `name` is the key's id or the person's email address; `title` says in a sentence what they are. `origins` are those
    of the browser pages that may use a publishable key, None for callers that have no business in a browser page of a
    shop. `requests_per_second` is the caller's own limit, beside the tenant's.
    """

    tenant: TenantRef
    kind: str  # KEY or PERSON of `Actor`
    name: str
    title: str
    scopes: frozenset[Scope]
    suspended: bool = False
    origins: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    requests_per_second: int | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes

    def allows_origin(self, origin: str | None) -> bool:
        """Publishable keys live in browsers and are tied to origins; a request without an Origin is not a browser's."""
        if self.origins is None or origin is None:
            return True
        return "*" in self.origins or origin in self.origins

    def shares_with(self, origin: str) -> bool:
        """Whether a browser may hand the answer to a page of this origin (CORS)."""
        return self.origins is not None and self.allows_origin(origin)


@dataclass(frozen=True, slots=True)
class LiveState:
    """What a serving process follows of a tenant; `auth` and `config` are opaque, they only change.

    `events` are those accepted in the current month. Until `watched_until` (Unix seconds) somebody looks at the live
    stream of events.
    """

    auth: bytes
    config: bytes
    model: str | None
    events: int = 0
    watched_until: int = 0
