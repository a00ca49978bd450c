"""The cost of an answer: no SQL, and two reads of Redis."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from recomengine.lib import naming, redis
from recomengine.lib.redis_mux import RedisMux
from recommendations.serving.fallbacks import Fallbacks
from tenants import live
from tenants.types import TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.recommendations.conftest import ids, notice, slate

Statements = list[str]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Everything this process asks PostgreSQL, on whichever connection; the log of slates is written beside."""
    asked: Statements = []

    def recorded(name: str) -> Any:
        run = getattr(psycopg.Cursor, name)

        def record(self: Any, query: Any, *more: Any, **options: Any) -> Any:
            if threading.current_thread().name != "serving-log":
                asked.append(str(query))
            return run(self, query, *more, **options)

        return record

    for name in ("execute", "executemany", "copy", "stream"):
        monkeypatch.setattr(psycopg.Cursor, name, recorded(name))
    return asked


REMEMBERED = ["SET"]  # what was shown, for a next page; no answer waits for it


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The names of the commands of each exchange with Redis on the hot path."""
    seen: list[list[str]] = []
    send = RedisMux._send

    def recorded(self: RedisMux, commands: Sequence[tuple[Any, ...]]) -> Any:
        seen.append([str(command[0]) for command in commands])
        return send(self, commands)

    monkeypatch.setattr(RedisMux, "_send", recorded)
    monkeypatch.setattr(Fallbacks, "is_due", lambda *_: False)  # no slate is made for when Redis is away
    monkeypatch.setattr(live, "MAX_AGE", 3_600.0)  # however slow the machine is, only `notice` brings a look at it
    return seen


def test_a_warm_request_asks_postgresql_nothing(shop: Api, statements: Statements) -> None:
    questions: list[dict[str, Any]] = [
        {"placement": "pdp", "item_id": "mug"},
        {"placement": "home", "visitor_id": "v1", "user_id": "u1"},
        {"placement": "cart", "item_id": ["mug", "tea"], "exclude": ["cup"]},
        {"strategy": "session", "session_items": ["mug"]},
        {"placement": "nowhere"},
        {"limit": 0},
    ]
    slate(shop)
    shop.edge.settle()
    del statements[:]
    for question in questions:
        assert shop.get("recommendations", question).status in {200, 400, 404}
        assert shop.post("recommendations", question).status in {200, 400, 404}
    assert statements == []


def test_the_watch_on_postgresql_sees_every_kind_of_statement(
    shop: Api, tenant_a: TenantRef, statements: Statements
) -> None:
    """A new key, an event and a page of Django each show, so their absence above means something."""
    Api(shop.edge, new_key(tenant_a)).get("recommendations")
    assert any("tenants_apikey" in statement for statement in statements)
    shop.post("events", {"type": "view", "visitor_id": "v1", "item_id": "mug"})
    assert any("events_eventkey" in statement and "COPY" in statement for statement in statements)
    del statements[:]
    shop.get("placements")
    assert any("recommendations_placement" in statement for statement in statements)


def test_an_answer_is_three_reads_where_the_first_strategies_suffice(shop: Api, reads: list[list[str]]) -> None:
    question = {"placement": "pdp", "item_id": "mug", "visitor_id": "v1", "limit": 1}
    slate(shop, **question)
    del reads[:]
    assert ids(slate(shop, **question))
    # What was bought, whose the browser is, what was shown, the variants' groups; a neighbour list; cards.
    assert reads == [["ZRANGE", "GET", "ZRANGE", "HMGET"], ["HMGET"], ["HMGET"], REMEMBERED]


def test_further_strategies_are_asked_in_turn(shop: Api, reads: list[list[str]]) -> None:
    slate(shop, placement="home", visitor_id="v1")
    del reads[:]
    slate(shop, placement="home", visitor_id="v1")
    # The history and what was bought, whose the browser is, what was shown; then for_you, trending, popular and new.
    [visitor, *others, last] = reads
    assert visitor == ["ZRANGE", "ZRANGE", "GET", "ZRANGE"]
    assert others == [["HMGET"], ["HMGET"], ["EVALSHA"], ["HMGET"], ["HMGET"], ["ZRANGE"], ["HMGET"]]
    assert last == REMEMBERED


def test_the_live_state_is_read_now_and_then(shop: Api, reads: list[list[str]]) -> None:
    slate(shop)  # the key and the placements are known then
    notice(shop)
    del reads[:]
    slate(shop)
    assert reads.pop(0) == ["HMGET"]
    first = reads[:]
    for _ in range(4):
        slate(shop)
    assert reads == first * 5


def test_a_redis_that_forgets_answers_with_less_and_not_with_errors(shop: Api, tenant_a: TenantRef) -> None:
    """Each key may be gone at any moment: evicted, flushed, or moved to another server."""
    slate(shop, placement="pdp", item_id="mug")
    for name in redis.client().keys(naming.key(tenant_a.slug, "*")):
        redis.client().delete(name)
        answer = shop.get("recommendations", {"placement": "pdp", "item_id": "mug", "visitor_id": "v1"})
        assert answer.status == 200
    notice(shop)
    assert slate(shop, placement="pdp", item_id="mug")["empty_reason"]["code"] == "no_model"
