"""POST events and events/batch: key → steps → group commit → 202, then the visitors' histories move in Redis."""

import structlog

from events import history, ingest
from events.types import Accepted
from events.writer import Writer
from recomengine.lib import clock
from recomengine.lib.asgi import Request, Response, json_response
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from tenants import quotas
from tenants.types import Caller, LiveState, Scope

log = structlog.get_logger(__name__)
PATHS = {"/api/v1/events": ingest.from_single, "/api/v1/events/batch": ingest.from_batch}


async def post(request: Request, caller: Caller, state: LiveState, writer: Writer, mux: RedisMux) -> Response:
    """Store the request's events; 202 is answered only when they are committed."""
    if not caller.allows(Scope.TRACK):
        raise DomainError("forbidden", f"{caller.title} may not send events.")
    quotas.check(caller.tenant, state)
    now = clock.now()
    batch = PATHS[request.path](request.body, ingest.Context(now, caller.tenant.currency))
    stored = await writer.write(caller.tenant.schema, batch.events) if batch.events else []
    try:
        if stored:
            counted = quotas.counted(caller.tenant, len(stored), now)
            await mux.pipeline([*history.commands(caller.tenant.slug, stored, now), counted])
    except RedisUnavailable as error:  # the events are safe; `restore` brings the histories back
        log.warning("history not moved", tenant=caller.tenant.slug, error=str(error))
    return json_response(Accepted(len(stored), len(batch.events) - len(stored), batch.rejected), 202)
