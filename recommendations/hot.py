"""Recommendations on the hot path: key and live state from memory, two pipelined reads, one answer."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NamedTuple

import structlog

from recomengine.lib.asgi import Request, Response, json_response, parameters
from recomengine.lib.errors import DomainError
from recomengine.lib.ids import new_id
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable, ReplyError
from recomengine.lib.seldom import Seldom
from recommendations import configs, parsing
from recommendations.catalogue_search import CatalogueSearch
from recommendations.configs import Config
from recommendations.releases.live_models import LiveModels
from recommendations.serving import answers, explaining, fallbacks, pages
from recommendations.serving.fallbacks import Fallbacks
from recommendations.serving.slates import Matching, Reads, Slate, slate
from recommendations.serving_log import ServingLog
from recommendations.types import LiveModel, Query
from tenants.types import Caller, LiveState, Scope, TenantRef

PATH: Final = "/api/v1/recommendations"
BATCH_PATH: Final = "/api/v1/recommendations/batch"


class Configs:
    """This process's copy of what the tenants set up, as of their live states."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._known: dict[str, tuple[bytes, Config]] = {}

    async def get(self, slug: str, state: LiveState) -> Config:
        known = self._known.get(slug)
        if known is not None and known[0] == state.config:
            return known[1]
        config = configs.decode(await self._mux.execute("MGET", *configs.keys(slug)))
        self._known[slug] = (state.config, config)
        return config


class Known:
    """What this process knows of the tenants, so that a request need not ask."""

    def __init__(self, mux: RedisMux, log: ServingLog) -> None:
        self.log = log
        self.configs = Configs(mux)
        self.models = LiveModels(mux)
        self.catalogue = CatalogueSearch()
        self.fallbacks = Fallbacks()
        self.from_memory = Seldom(structlog.get_logger(__name__), "slates from memory")
        self._under_way: set[asyncio.Task[None]] = set()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that no answer waits for."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


class Asking(NamedTuple):
    """One request's tenant, and what is known of it now: one version of each, from beginning to end."""

    tenant: TenantRef
    config: Config
    model: LiveModel | None
    known: Known
    mux: RedisMux
    opted_out: bool  # the browser asks not to be followed

    async def answer(self, query: Query, recommendation_id: str, taken: frozenset[int]) -> Slate:
        """The slate for a query; one from memory while Redis is away."""
        placement, now = self.config.placement(query.placement), time.time()
        reads = slate(
            self.tenant.slug, query, placement, self.model, now,
            strategies=self.config.strategies, taken=taken, seed=recommendation_id,
        )  # fmt: skip
        try:
            return await self.drive(reads)
        except RedisUnavailable as error:
            fallback = self.known.fallbacks.slate(self.tenant.slug, query, placement, now)
            if fallback is None:
                raise
            self.known.from_memory.warn(tenant=self.tenant.slug, placement=query.placement, error=str(error))
            return fallback

    async def drive(self, reads: Reads) -> Slate:
        """Have the slate's reads answered: by Redis over the multiplexed connection, by the catalogue for filters."""
        is_whole = True
        try:
            asked = next(reads)
            while True:
                if isinstance(asked, Matching):
                    found, whole = await self.known.catalogue.get(self.tenant, asked)
                    is_whole = is_whole and whole
                    asked = reads.send(found)
                else:
                    asked = reads.send(_checked(await self.mux.pipeline(asked)))
        except StopIteration as done:
            answer: Slate = done.value
            answer.degraded = not is_whole
            return answer

    async def before(self, query: Query) -> frozenset[int]:
        """The internal ids that the pages before show."""
        if query.after is None:
            return frozenset()
        return pages.read(await self.mux.execute("GET", pages.page_key(self.tenant.slug, query.after)), query.after)

    async def refresh_fallback(self, placement: str) -> None:
        """Look up again what the placement shows while Redis is away."""
        try:
            answer = await self.answer(fallbacks.question(placement), "", frozenset())
        except RedisUnavailable:
            return  # what was known stays known
        if not answer.degraded:
            self.known.fallbacks.keep(self.tenant.slug, placement, answer)

    def told(self, query: Query, answer: Slate, recommendation_id: str) -> dict[str, Any]:
        """The answer's JSON."""
        shown = answers.body(answer, recommendation_id, query)
        if query.explain:
            shown["explanation"] = explaining.explanation(answer)
            for item, each in zip(shown["items"], answer.items, strict=True):
                item["explanation"] = explaining.of_item(each)
        if answer.why_not is not None:
            shown["why_not"] = explaining.told_why_not(answer.why_not)
        return shown


def _checked(replies: Sequence[Any]) -> Sequence[Any]:
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply
    return replies


async def respond(request: Request, caller: Caller, state: LiveState, known: Known, mux: RedisMux) -> Response:
    """Answer one request for recommendations."""
    if not caller.allows(Scope.RECOMMEND):
        raise DomainError("forbidden", f"{caller.title} may not read recommendations.")
    slug = caller.tenant.slug
    asking = Asking(
        caller.tenant, await known.configs.get(slug, state), await known.models.get(slug, state.model), known, mux,
        request.header(b"sec-gpc") == "1",
    )  # fmt: skip
    queries = _queries(request)
    if not caller.allows(Scope.READ) and any(query.explain or query.why_not for query in queries):
        # What speaks for and against products is the shop's own business, and a page is everybody's.
        raise DomainError("forbidden", f"{caller.title} may not ask for explanations; a key of a server may.")
    results = await _slates(asking, queries)
    return json_response({"results": results} if request.path == BATCH_PATH else results[0])


def _queries(request: Request) -> Sequence[Query]:
    if request.path == BATCH_PATH:
        return parsing.from_batch(request.body)
    if request.method == "POST":
        return [parsing.from_json(request.body)]
    return [parsing.from_parameters(parameters(request.query))]


async def _slates(asking: Asking, queries: Sequence[Query]) -> list[dict[str, Any]]:
    """The slates of one page, none of which shows what one before it shows."""
    results, taken = [], frozenset[int]()
    for query in queries:
        recommendation_id = new_id()
        before = await asking.before(query)
        answer = await asking.answer(query, recommendation_id, taken | before)
        taken |= {each.admitted.candidate.item for each in answer.items}
        asking.known.log.note(asking.tenant, query, answer, recommendation_id, opted_out=asking.opted_out)
        _remember(asking, query, answer, recommendation_id, before)
        results.append(asking.told(query, answer, recommendation_id))
    return results


def _remember(asking: Asking, query: Query, answer: Slate, recommendation_id: str, before: frozenset[int]) -> None:
    """Keep what later requests may need; the answer does not wait for it."""
    if answer.degraded:
        return
    if answer.items:
        asking.mux.post(pages.remembering(asking.tenant.slug, recommendation_id, answer, before))
    if asking.known.fallbacks.is_due(asking.tenant.slug, query.placement):
        asking.known.later(asking.refresh_fallback(query.placement))
