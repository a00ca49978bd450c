"""Publishing a model: its tables go into Redis beside the live ones, then one pointer is flipped."""

from redis.exceptions import OutOfMemoryError

from recommendations import runs
from recommendations.releases import modelstore, versions
from recommendations.releases.modelstore import Model
from recommendations.releases.packed_tables import packed
from tenants.types import TenantRef


class RedisFull(Exception):
    """Redis has no room for another version; the live one is as it was."""


def write(tenant: TenantRef, version: str, model: Model) -> None:
    """Put a version's tables and parameters beside the live ones; `versions.flip` makes them live.

    Raises RedisFull, and leaves nothing of the version then, unless it is the live one.
    """
    try:
        for name in versions.TABLES:
            if name in model.tables:  # a version may be older than the table
                versions.write_table(tenant, version, name, packed(name, model.tables[name]))
        versions.write_parameters(tenant, version, model.serving)
    except OutOfMemoryError as error:
        if not versions.is_live(tenant, version):
            versions.discard(tenant, version)
        raise RedisFull(
            "Redis is full, so the model could not be published: give Redis more memory (maxmemory), as much again as "
            "the models take. The model is kept; the next training publishes it without building it again."
        ) from error


def is_lost(tenant: TenantRef) -> bool:
    """Whether Redis lacks the version that was published last, as after a flush or the loss of its disk."""
    run = runs.live(tenant)
    return run is not None and not versions.is_live(tenant, run.version)


def republish(tenant: TenantRef) -> None:
    """Put the version that was published last into Redis again, from the model store."""
    run = runs.live(tenant)
    if run is not None:
        write(tenant, run.version, modelstore.load(tenant, run.version))
        versions.flip(tenant, run.version)
