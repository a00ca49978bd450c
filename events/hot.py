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

from events import bots, ingest, projections
from events.content_ids import is_content_id
from events.ingest import Batch, Context
from events.store import Event
from events.types import Accepted, types_of
from events.writer import Writer
from recomengine.lib import clock
from recomengine.lib.asgi import Request, Response, json_response
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable, ReplyError
from tenants import quotas
from tenants.types import Caller, LiveState, Scope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """How the requests of one address are read, and how their outcome is worded."""

    read: Callable[[Request, Context], Batch]
    answer: Callable[[Accepted], Response]


def _accepted(outcome: Accepted) -> Response:
    return json_response(outcome, 202)


DOORS: Final[Mapping[str, Door]] = {
    "/api/v1/events": Door(lambda request, context: ingest.from_single(request.body, context), _accepted),
    "/api/v1/events/batch": Door(lambda request, context: ingest.from_batch(request.body, context), _accepted),
}
pace: Final = bots.Pace()


async def post(request: Request, caller: Caller, state: LiveState, writer: Writer, mux: RedisMux) -> Response:
    """Store the request's events; 202 is answered only when they are committed."""
    if not caller.allows(Scope.TRACK):
        raise DomainError("forbidden", f"{caller.title} may not send events.")
    quotas.check(caller.tenant, state)
    door, context = DOORS[request.path], context_of(request, caller)
    batch = door.read(request, context)
    stored = await writer.write(caller.tenant.schema, batch.events) if batch.events else []
    try:
        for reply in await mux.pipeline(projections.commands(caller.tenant, stored, batch, context.now)):
            if isinstance(reply, ReplyError):
                raise reply
    except RedisUnavailable as error:  # the events are safe; a repair makes up for it
        log.warning("events not projected", tenant=caller.tenant.slug, error=str(error))
    return door.answer(outcome(batch, stored))


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
    by_content = _with_content_ids(batch.events) - _with_content_ids(stored)
    return Accepted(
        accepted=len(stored),
        duplicates=len(batch.events) - len(stored),
        content_duplicates=by_content,
        rejected=batch.rejected,
    )


def _with_content_ids(events: Sequence[Event]) -> int:
    return sum(is_content_id(event[0].event_id) for event in events)
