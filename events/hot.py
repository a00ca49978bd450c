"""POST events on the hot path: key → steps → group commit → 202, then what moves in Redis.

Each door (our own two addresses, and those of other makers' libraries) reads a request into the same events and words
the same outcome in its own way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from events import bots, content_ids, ingest, live_entries, projections, tallies
from events.doors import ga4, segment
from events.ingest import Batch, Context
from events.projections import Command
from events.store import Event
from events.types import Accepted, types_of
from events.writer import Writer
from recomengine.lib import clock
from recomengine.lib.asgi import Request, Response, json_response
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable, ReplyError
from recomengine.lib.seldom import Seldom
from tenants import quotas
from tenants.types import Caller, LiveState, Scope, TenantRef

not_projected: Final = Seldom(structlog.get_logger(__name__), "events not projected")


@dataclass(frozen=True, slots=True)
class Door:
    """How the requests of one address are read, and how their outcome is worded.

    `key` finds a key that comes in a way of its own, beside the usual headers. What does not `keep` only checks.
    """

    read: Callable[[Request, Context], Batch]
    answer: Callable[[Accepted, Batch], Response]
    key: Callable[[Request], str | None] | None = None
    keep: bool = True


def _accepted(outcome: Accepted, batch: Batch) -> Response:
    return json_response(outcome, 202)


DOORS: Final[Mapping[str, Door]] = {
    "/api/v1/events": Door(lambda request, context: ingest.from_single(request.body, context), _accepted),
    "/api/v1/events/batch": Door(lambda request, context: ingest.from_batch(request.body, context), _accepted),
    "/mp/collect": Door(ga4.read, ga4.answer, ga4.key),
    "/debug/mp/collect": Door(ga4.read, ga4.validation, ga4.key, keep=False),
    **dict.fromkeys(segment.PATHS, Door(segment.read, segment.answer, segment.key)),
}
pace: Final = bots.Pace()


async def post(request: Request, caller: Caller, state: LiveState, writer: Writer, mux: RedisMux) -> Response:
    """Store the request's events; 202 is answered only when they are committed."""
    if not caller.allows(Scope.TRACK):
        raise DomainError("forbidden", f"{caller.title} may not send events.")
    quotas.check(caller.tenant, state)
    door, context, slug = DOORS[request.path], context_of(request, caller), caller.tenant.slug
    try:
        batch = door.read(request, context)
    except DomainError as error:
        counted = tallies.commands(slug, {f"refused:{error.code}": 1}, context.now)
        await project(slug, [*live_entries.refused(slug, error, request.path, context.now), *counted], mux)
        raise
    if not door.keep:
        pace.take_back(slug, batch.events)
        return door.answer(outcome(batch, []), batch)
    stored = await store(caller.tenant, batch, writer)
    moved = projections.commands(caller.tenant, stored, batch, context.now)
    moved += live_entries.commands(
        slug, stored, batch, door=request.path, now=context.now, watched_until=state.watched_until
    )
    await project(slug, moved, mux)
    return door.answer(outcome(batch, stored), batch)


async def store(tenant: TenantRef, batch: Batch, writer: Writer) -> Sequence[Event]:
    """Those of the events that are no duplicates, committed."""
    try:
        return await writer.write(tenant.schema, batch.events) if batch.events else []
    except Exception:
        pace.take_back(tenant.slug, batch.events)  # what is sent again is no faster for it
        raise


async def project(slug: str, commands: Sequence[Command], mux: RedisMux) -> None:
    """Send Redis what a request moves; the events are safe without it, and a repair makes up for it."""
    try:
        for reply in await mux.pipeline(commands):
            if isinstance(reply, ReplyError):
                raise reply
    except RedisUnavailable as error:
        not_projected.warn(tenant=slug, error=str(error))


def presented_key(request: Request) -> str | None:
    """The key of a request whose address takes keys in a way of its own; None if it has none."""
    door = DOORS.get(request.path)
    return door.key(request) if door is not None and door.key is not None else None


def context_of(request: Request, caller: Caller) -> Context:
    """What the steps have to know of a request and its shop."""
    tenant = caller.tenant
    return Context(
        clock.now(),
        tenant.currency,
        timedelta(days=tenant.retention_days),
        types_of(tenant.event_types),
        opted_out=request.header(b"sec-gpc") == "1",
        # Servers send with libraries that crawlers use as well; only a browser's own name tells who it is.
        user_agent=(request.header(b"user-agent") or "") if caller.origins is not None else "",
        is_too_fast=partial(pace.is_too_fast, tenant.slug),
    )


def outcome(batch: Batch, stored: Sequence[Event]) -> Accepted:
    """What became of a batch, given those of its events that are no duplicates."""
    by_content = content_ids.count(batch.events) - content_ids.count(stored)
    return Accepted(
        accepted=len(stored),
        duplicates=len(batch.events) - len(stored),
        content_duplicates=by_content,
        rejected=batch.rejected,
    )
