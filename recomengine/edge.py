"""The API's front door (port 5009): the two hot endpoints served here, everything else handed to Django.

GET/POST recommendations and POST events run on the bare ASGI interface, because Django's request stack costs an order
of magnitude more than the work itself (docs/adr/0003). They use its settings and the domain code, not its stack.
"""

import asyncio
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

import structlog  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import InterfaceError, OperationalError  # noqa: E402

from events import hot as events_hot  # noqa: E402
from events.writer import Writer  # noqa: E402
from recomengine.lib import postgres  # noqa: E402
from recomengine.lib.asgi import (  # noqa: E402
    ClientGone,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    allow_origin,
    limited,
    preflight,
    problem_response,
    read_body,
    respond,
)  # fmt: skip
from recomengine.lib.errors import DomainError  # noqa: E402
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable  # noqa: E402
from recommendations import hot as recommendations_hot  # noqa: E402
from tenants.keycache import KeyCache  # noqa: E402
from tenants.keys import presented_key  # noqa: E402
from tenants.live import LiveStates  # noqa: E402

log = structlog.get_logger(__name__)

RECOMMENDATIONS = "/api/v1/recommendations"
HOT: dict[str, frozenset[str]] = {RECOMMENDATIONS: frozenset({"GET", "HEAD", "POST"})} | {
    path: frozenset({"POST"}) for path in events_hot.PATHS
}


class Edge:
    """One process's connections and caches, and the routing of its requests."""

    def __init__(self) -> None:
        self.mux = RedisMux(settings.REDIS_URL)
        self.states = LiveStates(self.mux)
        self.keys = KeyCache(self.states)
        self.placements = recommendations_hot.Placements(self.mux)
        self.writer = Writer(postgres.connect)

    async def answer(self, request: Request) -> Response:
        """The response to a hot request; refusals are problems."""
        try:
            text = presented_key(
                request.header(b"x-api-key"), request.header(b"authorization"), request.parameter("key")
            )
            caller, state = await self.keys.authenticate(text, request.origin)
            if request.path == RECOMMENDATIONS:
                response = await recommendations_hot.respond(request, caller, state, self.placements, self.mux)
            else:
                response = await events_hot.post(request, caller, self.writer, self.mux)
        except DomainError as error:
            response = problem_response(error)
        except RedisUnavailable as error:
            log.warning("redis unavailable", path=request.path, error=str(error))
            response = problem_response(DomainError("overloaded", "The model cache is away; try again.", retry_after=1))
        except (OperationalError, InterfaceError) as error:  # raised by a key that is not known yet
            log.warning("database unavailable", path=request.path, error=str(error))
            response = problem_response(DomainError("store_unavailable", retry_after=2))
        return response

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        if request.method == "OPTIONS":
            await respond(send, request, preflight(request.origin, ", ".join(sorted(HOT[request.path]))))
            return
        try:
            request.body = await read_body(receive) if request.method == "POST" else b""
            response = await self.answer(request)
        except ClientGone:
            return
        except DomainError as error:
            response = problem_response(error)
        except Exception:
            log.exception("hot request failed", path=request.path)
            response = problem_response(DomainError("internal_error"))
        allow_origin(response, request.origin)
        await respond(send, request, response)

    async def close(self) -> None:
        await asyncio.to_thread(self.writer.close)
        await self.mux.close()


class Application:
    """The ASGI callable: starts the edge on first use in the event loop that will run it."""

    def __init__(self) -> None:
        self.django: Any = get_asgi_application()
        self.edge: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"] in HOT and (scope["method"] in HOT[scope["path"]] or scope["method"] == "OPTIONS"):
            self.edge = self.edge or Edge()
            await self.edge.serve(scope, receive, send)
        else:
            await self._hand_over(scope, receive, send)

    async def _hand_over(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have Django answer, which would put a body of any length on disk before it looks at it."""
        try:
            await self.django(scope, limited(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), send)
        except DomainError as error:
            await respond(send, Request.of(scope), problem_response(error))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self.edge is not None:
                await self.edge.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


application = Application()
