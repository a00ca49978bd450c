"""GET and POST recommendations on the hot path: key and live state from memory, two pipelined reads, one answer."""

import time
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from recomengine.lib.asgi import Request, Response, json_response, parameters
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, ReplyError
from recommendations import parsing, placements, serving
from recommendations.live_models import LiveModels
from recommendations.strategies import Strategy
from recommendations.types import PlacementConfig, Slate
from tenants.types import Caller, LiveState, Scope


class Config(NamedTuple):
    """What a tenant set up: its placements, and all strategies that they and requests can name."""

    placements: Mapping[str, PlacementConfig]
    strategies: Mapping[str, Strategy]


class Configs:
    """This process's copy of what the tenants set up, as of their live states."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._known: dict[str, tuple[bytes, Config]] = {}

    async def get(self, slug: str, state: LiveState) -> Config:
        known = self._known.get(slug)
        if known is not None and known[0] == state.config:
            return known[1]
        packed, own = await self._mux.execute("MGET", placements.config_key(slug), placements.strategies_key(slug))
        config = Config(placements.decode(packed), placements.decode_strategies(own))
        self._known[slug] = (state.config, config)
        return config


class Known:
    """What this process knows of the tenants, so that a request need not ask."""

    def __init__(self, mux: RedisMux) -> None:
        self.configs = Configs(mux)
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
    config = await known.configs.get(slug, state)
    placement = config.placements.get(query.placement)
    if placement is None:
        known_ones = ", ".join(config.placements)
        raise DomainError("unknown_placement", f"There is no placement {query.placement!r}; there are {known_ones}.")
    model = await known.models.get(slug, state.model)
    answer = await drive(serving.slate(slug, query, placement, model, time.time(), strategies=config.strategies), mux)
    return json_response(serving.body(answer, uuid.uuid4().hex))


async def drive(reads: serving.Reads, mux: RedisMux) -> Slate:
    """Have the slate's reads answered over the multiplexed connection."""
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
