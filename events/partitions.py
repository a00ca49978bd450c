"""Monthly partitions of a tenant's event table."""

from typing import Final

from recomengine.lib.partitions import AHEAD, PATIENCE, Partitioned, following, month_of, upcoming

__all__ = [
    "AHEAD", "EVENTS", "PATIENCE", "drop", "drop_before", "ensure", "existing", "following", "month_of", "name_of",
    "upcoming",
]  # fmt: skip

EVENTS: Final = Partitioned("events_event")
name_of = EVENTS.name_of
ensure = EVENTS.ensure
existing = EVENTS.existing
drop = EVENTS.drop
drop_before = EVENTS.drop_before
