"""How keys in Redis are named.

Every key of a tenant begins with `{slug}:`, a hash tag, so that one tenant's keys share a slot of a cluster.
"""


def key(slug: str, *parts: str) -> str:
    """The Redis key of a tenant's thing, e.g. `{gift-shop}:items`."""
    return ":".join((f"{{{slug}}}", *parts))
