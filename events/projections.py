"""What moves in Redis once events are committed, as commands of one pipeline: histories, counters, the live stream.

None of it is a fact that only Redis has: a repair finds what was lost on the way and does it again from the store.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from events import content_ids, history, moving, shown, tallies, trending
from events.ingest import Batch
from events.types import EventRow
from tenants import quotas
from tenants.types import TenantRef

Command = moving.Command


def commands(tenant: TenantRef, stored: Sequence[Sequence[EventRow]], batch: Batch, now: datetime) -> list[Command]:
    """The commands for a request's outcome: `stored` are those of the batch's events that are no duplicates."""
    trusted = [event for event in stored if event[0].flag is None]
    moved: list[Command] = []
    if stored:
        people, interest = history.people(trusted, now), trending.interest(trusted)
        # What is flagged moves nothing, and counts as moved: the store holds it as well.
        moved.append(moving.command(tenant, people, now, interest, len(stored), shown.shown(trusted, now)))
        moved.append(quotas.counted(tenant, len(stored), now))
    return moved + tallies.commands(tenant.slug, counts(stored, batch), now)


def counts(stored: Sequence[Sequence[EventRow]], batch: Batch) -> Counter[str]:
    """What is counted of a request, by name: see `events.tallies`."""
    counted = Counter(batch.notes)
    counted["accepted"] = len(stored)
    counted["duplicate"] = len(batch.events) - len(stored)
    counted["content_duplicate"] = content_ids.count(batch.events) - content_ids.count(stored)
    counted.update(f"rejected:{rejection.code}" for rejection in batch.rejected)
    counted.update(f"flagged:{event[0].flag}" for event in stored if event[0].flag)
    return +counted
