"""How keys in Redis are named.

Every key of a tenant begins with `{slug}:`, a hash tag, so that one tenant's keys share a slot of a cluster.
"""


def key(slug: str, *parts: str) -> str:
    """The Redis key of a tenant's thing, e.g. `{gift-shop}:items`."""
    return ":".join((f"{{{slug}}}", *parts))


def categories_key(slug: str) -> str:
    """The hash of the category that each item counts in, by `item_id`: kept by the catalogue, read by the trend."""
    return key(slug, "categories")
