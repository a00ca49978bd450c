"""The API's front door (port 5009): the two hot endpoints served here, everything else handed to Django.

GET/POST recommendations and POST events, with the addresses that other makers' libraries send to, run on the bare
ASGI interface, because Django's request stack costs an order of magnitude more than the work itself (docs/adr/0003).
They use its settings and the domain code, not its stack.
"""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

import structlog  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import InterfaceError, OperationalError, connection  # noqa: E402

from events import hot as events_hot  # noqa: E402
from events import live_stream  # noqa: E402
from events.writer import Writer  # noqa: E402
from recomengine.lib import postgres  # noqa: E402
from recomengine.lib.asgi import (  # noqa: E402
    MAX_BODY,
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
    start_stream,
)  # fmt: skip
from recomengine.lib.errors import DomainError  # noqa: E402
from recomengine.lib.inflating import inflated  # noqa: E402
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable  # noqa: E402
from recomengine.lib.seldom import Seldom  # noqa: E402
from recomengine.lib.termination import when_told_to_end  # noqa: E402
from recomengine.lib.uploads import MARGIN  # noqa: E402
from recommendations import hot as recommendations_hot  # noqa: E402
from recommendations.serving_log import ServingLog  # noqa: E402
from tenants import page_tokens, people, tokens  # noqa: E402
from tenants.keycache import KeyCache  # noqa: E402
from tenants.keys import only, presented_bearer, presented_key  # noqa: E402
from tenants.limits import Leases  # noqa: E402
from tenants.live import LiveStates  # noqa: E402
from tenants.types import Caller, LiveState  # noqa: E402
from tenants.types import Scope as TenantScope  # noqa: E402

log = structlog.get_logger(__name__)
redis_away, store_away = Seldom(log, "redis unavailable"), Seldom(log, "database unavailable")

RECOMMENDATIONS = frozenset({recommendations_hot.PATH, recommendations_hot.BATCH_PATH})
HOT: dict[str, frozenset[str]] = {path: frozenset({"POST"}) for path in events_hot.DOORS} | {
    recommendations_hot.PATH: frozenset({"GET", "HEAD", "POST"}),
    recommendations_hot.BATCH_PATH: frozenset({"POST"}),
}
HOT[live_stream.PATH] = frozenset({"GET"})

REFUSED = (DomainError, RedisUnavailable, OperationalError, InterfaceError)
UPLOADS = frozenset({"/api/v1/catalog/imports", "/api/v1/catalog/imports/preview", "/api/v1/events/imports"})


class Edge:
    """One process's connections and caches, and the routing of its requests."""

    def __init__(self) -> None:
        self.mux = RedisMux(settings.REDIS_URL)
        self.states = LiveStates(self.mux)
        self.keys = KeyCache(self.states)
        self.leases = Leases(self.mux)
        self.serving_log = ServingLog(postgres.connect)
        self.known = recommendations_hot.Known(self.mux, self.serving_log)
        self.writer = Writer(postgres.connect)
        self.streams = live_stream.Streams()
        self.under_way = 0  # requests for recommendations
        when_told_to_end(self.streams.close)
        # What is loaded now stays; looking for garbage in it again and again took a tenth of the time of taking events.
        gc.collect()
        gc.freeze()

    async def answer(self, request: Request) -> Response:
        """The response to a hot request; refusals are problems.

        It is shared with the origins of the caller's key. Where no caller is known there is nothing to keep from a
        page, except that its origin is not welcome.
        """
        caller = None
        try:
            caller, state = await self.authenticate(request)
            response = await self.serve_caller(request, caller, state)
        except REFUSED as error:
            response = refusal(error, request.path)
        if caller is not None and request.origin is not None:
            response.shared = caller.shares_with(request.origin)
        return response

    async def recommend(self, request: Request) -> Response:
        """The response to a request for recommendations, or a refusal at once where too many are under way.

        A page waits for its slate: to answer most in time and refuse some beats to answer all too late.
        """
        if self.under_way >= settings.MAX_CONCURRENT_RECOMMENDATIONS:
            return refusal(DomainError("overloaded", "Too many requests are under way.", retry_after=1), request.path)
        self.under_way += 1
        try:
            return await self.answer(request)
        finally:
            self.under_way -= 1

    async def serve_caller(self, request: Request, caller: Caller, state: LiveState) -> Response:
        """The response to somebody who is known."""
        if caller.suspended:
            raise DomainError("tenant_suspended")
        await self.leases.take(caller)
        if request.path in RECOMMENDATIONS:
            return await recommendations_hot.respond(request, caller, state, self.known, self.mux)
        return await events_hot.post(request, caller, state, self.writer, self.mux)

    async def authenticate(self, request: Request) -> tuple[Caller, LiveState]:
        """Who calls: a key, or a person's token, which is looked up anew each time."""
        authorization, named = request.header(b"authorization"), request.header(b"x-tenant")
        text = presented_key(request.header(b"x-api-key"), authorization, only(request.values("key")))
        token = presented_bearer(authorization)
        if text is None and not token:
            text = events_hot.presented_key(request)
        if text is not None:
            return await self.keys.authenticate(text, request.origin, named)
        if not token:
            raise DomainError("authentication_required", "Send a key in the X-API-Key header.")
        caller = await asyncio.to_thread(_and_disconnect, _person, token, named)
        return caller, await self.states.get(caller.tenant.slug)

    async def stream(self, request: Request, receive: Receive, send: Send) -> Response | None:
        """Send what comes in until somebody ends it; or the refusal, if there is a reason for one."""
        try:
            wanted, check = live_stream.asked(request), self.watcher(request)
            caller = await check()
            await self.leases.take(caller)
            with self.streams.place(caller.tenant.slug) as end:
                # A token was made for this very origin; keys that may read have no business in a page.
                await start_stream(send, request, shared=only(request.values("token")) is not None)
                stream = live_stream.Stream(self.mux, caller.tenant.slug, wanted, check, end)
                await live_stream.run(stream, receive, send)
        except REFUSED as error:
            return refusal(error, request.path)
        return None

    def watcher(self, request: Request) -> Callable[[], Awaitable[Caller]]:
        """What says, again and again, who watches and that they may; the dashboard's page has a token for it."""
        text = only(request.values("token"))
        claims = None if text is None else page_tokens.read(text)
        if claims is not None and not claims.allows_origin(request.origin):
            raise DomainError("origin_not_allowed", "The token was made for a page of another origin.")

        async def check() -> Caller:
            if claims is None:
                caller, _ = await self.authenticate(request)
            else:
                caller = await asyncio.to_thread(_and_disconnect, page_tokens.caller, claims)
            if caller.suspended:
                raise DomainError("tenant_suspended")
            if not caller.allows(TenantScope.READ):
                raise DomainError("forbidden", f"{caller.title} may not read events.")
            return caller

        return check

    async def allowed_upload(self, request: Request) -> tuple[int, DomainError | None]:
        """How much may be sent: files by those only who may import them; and what the others are told."""
        try:
            caller, _ = await self.authenticate(request)
            if caller.suspended:
                raise DomainError("tenant_suspended")
            if not caller.allows(TenantScope.WRITE):
                raise DomainError("forbidden", f"{caller.title} may not do that.")
        except DomainError as error:
            return settings.DATA_UPLOAD_MAX_MEMORY_SIZE, error
        except (RedisUnavailable, OperationalError, InterfaceError) as error:
            log.warning("server away", path=request.path, error=str(error))
            return settings.DATA_UPLOAD_MAX_MEMORY_SIZE, DomainError("store_unavailable", retry_after=2)
        return settings.MAX_IMPORT_BYTES + MARGIN, None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        if request.method == "OPTIONS":
            await respond(send, request, preflight(request.origin, ", ".join(sorted(HOT[request.path]))))
            return
        try:
            refuse_plain_http(request)
            if request.method not in HOT[request.path]:
                raise DomainError("method_not_allowed", headers={"Allow": ", ".join(sorted(HOT[request.path]))})
            if request.method == "POST":
                request.body = inflated(await read_body(receive), request.header(b"content-encoding"), MAX_BODY)
            if request.path == live_stream.PATH:
                response = await self.stream(request, receive, send)
            elif request.path in RECOMMENDATIONS:
                response = await self.recommend(request)
            else:
                response = await self.answer(request)
        except ClientGone:
            return
        except DomainError as error:
            response = problem_response(error)
        except Exception:
            log.exception("hot request failed", path=request.path)
            response = problem_response(DomainError("internal_error"))
        if response is not None:
            allow_origin(response, request.origin)
            await respond(send, request, response)

    async def close(self) -> None:
        self.streams.close()
        await self.keys.close()
        await asyncio.to_thread(self.writer.close)
        await asyncio.to_thread(self.serving_log.close)
        await self.mux.close()


def refusal(error: Exception, path: str) -> Response:
    """The problem that answers one of `REFUSED`."""
    if isinstance(error, DomainError):
        response = problem_response(error)
        response.shared = error.code != "origin_not_allowed"
        return response
    if isinstance(error, RedisUnavailable):
        redis_away.warn(path=path, error=str(error))
        return problem_response(DomainError("overloaded", "The model cache is away; try again.", retry_after=1))
    store_away.warn(path=path, error=str(error))  # a key that is not known yet
    return problem_response(DomainError("store_unavailable", retry_after=2))


def refuse_plain_http(request: Request) -> None:
    """Refuse what did not come by TLS where that is on, as `refusals.ApiTransport` does for the rest of the API."""
    came_by = (request.header(b"x-forwarded-proto") or "").partition(",")[0].strip()
    if settings.SECURE_SSL_REDIRECT and came_by != "https":
        raise DomainError("insecure_transport")


def is_hot(path: str, method: str) -> bool:
    """Whether the edge answers; other methods of an address of the API are Django's, which knows nothing of others."""
    return path in HOT and (method in HOT[path] or method == "OPTIONS" or not path.startswith("/api/"))


def is_form(request: Request) -> bool:
    return (request.header(b"content-type") or "").lower().startswith("multipart/form-data")


def _person(token: str, named: str | None) -> Caller:
    return people.caller(tokens.person_of(token), named)


def _and_disconnect(find: Callable[..., Caller], *args: object) -> Caller:
    """What a thread looks up in PostgreSQL; its connection is not kept."""
    try:
        return find(*args)
    finally:
        connection.close()


class Application:
    """The ASGI callable: starts the edge on first use in the event loop that will run it."""

    def __init__(self) -> None:
        self.django: Any = get_asgi_application()
        self.edge: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif is_hot(scope["path"], scope["method"]):
            self.edge = self.edge or Edge()
            await self.edge.serve(scope, receive, send)
        else:
            await self._hand_over(scope, receive, send)

    async def _hand_over(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have Django answer, which would put a body of any length on disk before it looks at it."""
        request, most, refusal = Request.of(scope), settings.DATA_UPLOAD_MAX_MEMORY_SIZE, None
        if request.method == "POST" and request.path in UPLOADS and is_form(request):
            self.edge = self.edge or Edge()
            most, refusal = await self.edge.allowed_upload(request)
        try:
            await self.django(scope, limited(receive, most, request.length, refusal), send)
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
