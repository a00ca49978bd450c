"""What other apps keep of visitors and users, which this one may not import: they say so when they are loaded."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from events.subjects import Subject
from tenants.types import TenantRef


class Holding(NamedTuple):
    """Something that is kept of people, under a name in their export.

    `erase` is called more than once for an erasure: within its transaction, and when the worker finishes it.
    """

    name: str
    told: Callable[[TenantRef, Subject], Iterator[dict[str, Any]]]
    erase: Callable[[TenantRef, Subject], None]


HOLDINGS: Final[dict[str, Holding]] = {}


def register(holding: Holding) -> None:
    """Have an export tell, and an erasure erase, what an app keeps."""
    HOLDINGS[holding.name] = holding


def told(tenant: TenantRef, subject: Subject) -> dict[str, Iterator[dict[str, Any]]]:
    """What is kept of somebody, by its name."""
    return {name: holding.told(tenant, subject) for name, holding in HOLDINGS.items()}


def erase(tenant: TenantRef, subject: Subject) -> None:
    for holding in HOLDINGS.values():
        holding.erase(tenant, subject)
