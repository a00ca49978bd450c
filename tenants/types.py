"""What other apps know of tenants, people and keys."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What an API key allows."""

    RECOMMEND = "recommend"
    TRACK = "track"
    READ = "read"
    WRITE = "write"


class KeyType(StrEnum):
    PUBLISHABLE = "pub"
    READ_ONLY = "ro"
    READ_WRITE = "rw"


SCOPES: dict[KeyType, frozenset[Scope]] = {
    KeyType.PUBLISHABLE: frozenset({Scope.RECOMMEND, Scope.TRACK}),
    KeyType.READ_ONLY: frozenset({Scope.RECOMMEND, Scope.READ}),
    KeyType.READ_WRITE: frozenset({Scope.RECOMMEND, Scope.TRACK, Scope.READ, Scope.WRITE}),
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


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated API key: whose it is, what it may do, and from which browser origins."""

    tenant: TenantRef
    key_id: str
    key_type: KeyType
    origins: tuple[str, ...]
    suspended: bool
    expires_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in SCOPES[self.key_type]

    def allows_origin(self, origin: str | None) -> bool:
        """Publishable keys live in browsers and are tied to origins; a request without an Origin is not a browser's."""
        if self.key_type is not KeyType.PUBLISHABLE or origin is None:
            return True
        return "*" in self.origins or origin in self.origins


@dataclass(frozen=True, slots=True)
class LiveState:
    """What a serving process follows of a tenant; `auth` and `config` are opaque, they only change."""

    auth: bytes
    config: bytes
    model: str | None
