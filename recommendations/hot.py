"""GET and POST recommendations on the hot path: key and live state from memory, two pipelined reads, one answer."""

import time
import uuid
from collections.abc import Mapping

from recomengine.lib.asgi import Request, Response, json_response, parameters
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, ReplyError
from recommendations import parsing, placements, serving
from recommendations.live_models import LiveModels
from recommendations.types import LiveModel, PlacementConfig, Query, Slate
from tenants.types import Caller, LiveState, Scope


class Placements:
    """This process's copy of the tenants' placements, as of their live states."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._known: dict[str, tuple[bytes, Mapping[str, PlacementConfig]]] = {}

    async def get(self, slug: str, state: LiveState) -> Mapping[str, PlacementConfig]:
        known = self._known.get(slug)
        if known is not None and known[0] == state.config:
            return known[1]
        configs = placements.decode(await self._mux.execute("GET", placements.config_key(slug)))
        self._known[slug] = (state.config, configs)
        return configs


class Known:
    """What this process knows of the tenants, so that a request need not ask."""

    def __init__(self, mux: RedisMux) -> None:
        self.placements = Placements(mux)
        self.models = LiveModels(mux)


async def respond(request: Request, caller: Caller, state: LiveState, known: Known, mux: RedisMux) -> Response:
    """Answer one request for recommendations."""
    if not caller.allows(Scope.RECOMMEND):
        raise DomainError("forbidden", f"{caller.title} may not read recommendations.")
    query = (
        parsing.from_json(request.body)
        if request.method == "POST"
        else parsing.from_parameters(parameters(request.query))
    )
    slug = caller.tenant.slug
    configs = await known.placements.get(slug, state)
    placement = configs.get(query.placement)
    if placement is None:
        raise DomainError(
            "unknown_placement", f"There is no placement {query.placement!r}; there are {', '.join(configs)}."
        )
    model = await known.models.get(slug, state.model)
    answer = await read(slug, query, placement, model, mux)
    return json_response(serving.body(answer, uuid.uuid4().hex))


async def read(slug: str, query: Query, placement: PlacementConfig, model: LiveModel | None, mux: RedisMux) -> Slate:
    """Drive the slate's reads over the multiplexed connection."""
    reads = serving.slate(slug, query, placement, model, time.time())
    try:
        commands = next(reads)
        while True:
            replies = await mux.pipeline(commands)
            for reply in replies:
                if isinstance(reply, ReplyError):
                    raise reply
            commands = reads.send(replies)
    except StopIteration as done:
        answer: Slate = done.value
        return answer
