"""The live stream: what comes in is seen, with the reason where it was not taken; by those only who may."""

import json
from base64 import b64encode
from typing import Any

import pytest

from events import live_stream
from recomengine.lib import redis
from tenants import changing, keys, live, page_tokens, tokens
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.types import KeyType, Role, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.events.streams import frames, watching

VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
PAGE = "http://dashboard.example"


def post(api: Api, *events: dict[str, Any]) -> Any:
    if api.edge.application.edge:  # what the process knows is half a second old at most, which no test waits for
        api.edge.application.edge.states._states.clear()
    return api.post("events/batch", {"events": list(events)}).json


def basic(key: str | None) -> str:
    return f"Basic {b64encode(f'{key}:'.encode()).decode()}"


def look(api: Api, **params: Any) -> list[Any]:
    """The events that are there to be seen, without waiting for more."""
    answer = api.get("events/stream", {"seconds": 0} | params)
    assert answer.status == 200, answer.body
    return [data for name, data in frames(answer.body.decode()) if name == "event"]


def person(tenant: TenantRef, role: Role = Role.VIEWER) -> User:
    user = User.objects.create_user("ann@example.com")
    Membership.objects.create(user=user, tenant=Tenant.objects.get(slug=tenant.slug), role=role)
    return user


def test_what_comes_in_is_seen_while_somebody_watches(api_a: Api, api_b: Api) -> None:
    with watching(api_a) as seen:
        post(api_b, VIEW | {"visitor_id": "of-b"})
        post(api_a, VIEW | {"order_id": "o1"}, {"type": "purchase", "visitor_id": "v2", "item_id": "mug"})
        rejected, accepted = seen.events(2)
        post(api_a, VIEW | {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"})
        [flagged] = seen.events(3)[2:]
    assert (accepted["outcome"], accepted["visitor_id"], accepted["items"]) == ("accepted", "v1", ["mug"])
    assert accepted["door"] == "/api/v1/events/batch"
    assert accepted["at"]
    assert (rejected["outcome"], rejected["code"], rejected["pointer"]) == ("rejected", "missing_order_id", "/order_id")
    assert (rejected["index"], rejected["visitor_id"], rejected["item_id"]) == (1, "v2", "mug")
    assert rejected["message"] == "A purchase needs its `order_id`."
    assert (flagged["outcome"], flagged["flag"]) == ("flagged", "crawler")


def test_a_duplicate_is_told_from_the_first(api_a: Api) -> None:
    event = VIEW | {"event_id": "0190d5f4-0000-7000-8000-000000000001"}
    with watching(api_a) as seen:
        post(api_a, event, event)
        post(api_a, event)
        assert [each["outcome"] for each in seen.events(3)] == ["accepted", "duplicate", "duplicate"]


def test_while_nobody_watches_only_what_was_refused_is_kept(api_a: Api, api_b: Api) -> None:
    post(api_a, VIEW, VIEW | {"type": "wish"})
    assert api_a.post("events/batch", b'{"events": 3}').status == 400
    wish, request = look(api_a)
    assert (wish["code"], wish["type"], wish["visitor_id"]) == ("unknown_type", "wish", "v1")
    assert (request["code"], request["pointer"]) == ("invalid", "/events")
    assert look(api_a, recent=0) == []
    assert look(api_b) == []
    assert redis.client().ttl("{shop-a}:stream") > 80_000


def test_of_many_refused_events_the_first_are_kept_and_the_rest_counted(api_a: Api) -> None:
    post(api_a, *[VIEW | {"type": f"wish-{n}"} for n in range(40)])
    answer = api_a.get("events/stream", {"seconds": 0})
    shown = list(frames(answer.body.decode()))
    assert [data["type"] for name, data in shown if name == "event"] == [f"wish-{n}" for n in range(10)]
    assert [data["count"] for name, data in shown if name == "more"] == [30]


def test_what_is_shown_of_a_refused_event_is_short_and_holds_nothing_we_do_not_know(api_a: Api) -> None:
    hidden = {"ip": "203.0.113.7", "properties": {"email": "ann@example.com"}, "user_agent": "Agent/9"}
    post(api_a, VIEW | hidden | {"visitor_id": "v" * 5_000, "items": [{"item_id": "x" * 300}] * 50})
    [shown] = look(api_a)
    told = json.dumps(shown)
    assert "203.0.113.7" not in told
    assert "ann@example.com" not in told
    assert "Agent/9" not in told
    assert (shown["unknown"], shown["properties"]) == (["ip"], ["email"])
    assert len(shown["visitor_id"]) == 128
    assert (len(shown["items"]), shown["lines"]) == (5, 50)
    assert len(told) < 3_000


def test_who_did_not_consent_is_not_shown_either(api_a: Api) -> None:
    post(api_a, VIEW | {"consent": False, "user_id": "u1"})
    [shown] = look(api_a)
    assert (shown["code"], shown["type"]) == ("no_consent", "view")
    assert not {"visitor_id", "user_id", "item_id"} & set(shown)


def test_other_doors_show_what_belongs_to_each_reason(api_a: Api) -> None:
    track = {"type": "track", "anonymousId": "v1", "event": "Product Viewed"}
    wrong = {**track, "event": "Order Completed", "properties": {"products": [{"product_id": "mug", "price": 2}]}}
    batch = [{"type": "odd"}, {"type": "page", "anonymousId": "v0"}, wrong | {"anonymousId": "v2"}]
    answer = api_a.post("/v1/batch", {"batch": batch}, authorization=basic(api_a.key))
    assert answer.status == 200, answer.body
    shown = {each["index"]: each for each in look(api_a)}
    assert "visitor_id" not in shown.get(0, {})
    assert (shown[2]["code"], shown[2]["visitor_id"], shown[2]["door"]) == ("missing_order_id", "v2", "/v1/batch")


def test_an_erasure_empties_the_stream(api_a: Api) -> None:
    post(api_a, VIEW, VIEW | {"type": "wish"})
    assert look(api_a)
    assert api_a.call("DELETE", "visitors/v1").status < 300
    assert look(api_a) == []


def test_filters(api_a: Api) -> None:
    with watching(api_a, visitor_id="v2") as of_visitor, watching(api_a, outcome="rejected,duplicate") as wrong:
        post(api_a, VIEW, VIEW | {"visitor_id": "v2"}, VIEW | {"visitor_id": "v2", "type": "wish"})
        assert [each["outcome"] for each in of_visitor.events(2)] == ["rejected", "accepted"]
        assert [each["outcome"] for each in wrong.events(1)] == ["rejected"]
    assert [each["type"] for each in look(api_a, type="wish")] == ["wish"]
    for params in ({"outcome": "odd"}, {"seconds": 601}, {"seconds": "x"}, {"recent": -1}, {"last_event_id": "new"}):
        assert api_a.get("events/stream", params).json["code"] == "invalid", params
    assert api_a.get("events/stream", {"visitor": "v2"}).json["code"] == "unknown_parameter"


def test_a_client_goes_on_after_the_last_event_it_saw(api_a: Api) -> None:
    for n in range(3):
        post(api_a, VIEW | {"type": f"wish-{n}"})
    body = api_a.get("events/stream", {"seconds": 0}).body.decode()
    ids = [line[4:] for line in body.split("\n") if line.startswith("id: ")]
    rest = api_a.get("events/stream", {"seconds": 0}, last_event_id=ids[0]).body.decode()
    assert [data["type"] for _, data in frames(rest) if "type" in data and "outcome" in data] == ["wish-1", "wish-2"]
    assert [each["type"] for each in look(api_a, last_event_id=ids[1])] == ["wish-2"]


def test_of_a_flood_the_newest_are_shown_and_that_others_were_passed_over(
    api_a: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "AT_ONCE", 3)
    for n in range(6):
        post(api_a, VIEW | {"type": f"wish-{n}"})
    answer = list(frames(api_a.get("events/stream", {"seconds": 0, "recent": 3, "last_event_id": "1-1"}).body.decode()))
    assert [data["type"] for name, data in answer if name == "event"] == ["wish-3", "wish-4", "wish-5"]
    assert "skipped" in [name for name, _ in answer]


def test_watching_leaves_a_mark_that_a_look_does_not(api_a: Api) -> None:
    assert look(api_a) == []
    assert redis.client().hget(live.live_key("shop-a"), "watched") is None
    with watching(api_a):
        assert int(redis.client().hget(live.live_key("shop-a"), "watched") or 0) > 0  # type: ignore[arg-type]


def test_a_revoked_key_ends_its_streams(
    api_a: Api, tenant_a: TenantRef, tenants: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "CHECK", 0.1)
    reader = Api(api_a.edge, new_key(tenant_a, KeyType.READ_ONLY))
    with watching(reader) as seen, watching(api_a) as other:
        keys.revoke_key(tenants[0], ApiKey.objects.get(type="ro").key_id)
        assert seen.frame("end")["code"] == "invalid_key"
        assert seen.until(lambda each: each.ended)
        assert not other.watched.ended
        changing.suspend_tenant(tenants[0])
        assert other.frame("end")["code"] == "tenant_suspended"


def test_a_person_who_is_no_member_any_more_sees_no_more(
    edge: Any, api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "CHECK", 0.1)
    user = person(tenant_a)
    token = tokens.issue(user).access
    with watching(Api(edge, None), {"authorization": f"Bearer {token}"}) as seen:
        post(api_a, VIEW)
        seen.events(1)
        Membership.objects.all().delete()
        assert seen.frame("end")["status"] in {400, 404}


def test_a_page_watches_with_a_token_of_its_own(
    edge: Any, api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "CHECK", 0.1)
    user, page = person(tenant_a), Api(edge, None)
    token = page_tokens.issue(user, "shop-a", PAGE)
    with watching(page, {"origin": PAGE}, token=token) as seen:
        headers = dict(seen.watched.start["headers"])  # type: ignore[index]
        assert headers[b"access-control-allow-origin"] == PAGE.encode()
        assert headers[b"content-type"] == b"text/event-stream"
        post(api_a, VIEW)
        seen.events(1)
        monkeypatch.setattr(page_tokens, "GOOD_FOR", -1)  # which is for opening only
        post(api_a, VIEW | {"item_id": "cup"})
        seen.events(2)
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert seen.frame("end")["code"] == "invalid_token"


def test_a_token_is_good_for_one_origin_one_shop_and_a_minute(
    edge: Any, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, page = person(tenant_a), Api(edge, None)
    token = page_tokens.issue(user, "shop-a", PAGE)

    def refusal(token: str, origin: str = PAGE) -> tuple[int, str, bool]:
        answer = page.get("events/stream", {"token": token, "seconds": 0}, origin=origin)
        return answer.status, answer.json["code"], "access-control-allow-origin" in answer.headers

    assert refusal(token, "https://evil.example") == (403, "origin_not_allowed", False)
    assert refusal(token[:-1] + ("a" if token[-1] != "a" else "b")) == (401, "invalid_token", True)
    assert refusal(page_tokens.issue(user, "shop-b", PAGE)) == (404, "not_found", True)
    assert page.get("events/stream", f"seconds=0&token={token}&token={token}").status == 401
    user.login_epoch += 1
    user.save()
    assert refusal(token) == (401, "invalid_token", True)
    monkeypatch.setattr(page_tokens, "GOOD_FOR", -1)
    assert refusal(page_tokens.issue(user, "shop-a", PAGE)) == (401, "invalid_token", True)


def test_there_are_so_many_streams_and_no_more(api_a: Api, api_b: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "MAX_OF_TENANT", 1)
    monkeypatch.setattr(live_stream, "MAX_STREAMS", 2)
    with watching(api_a):
        refused = api_a.get("events/stream", {"seconds": 0})
        assert (refused.status, refused.json["code"]) == (429, "throttled")
        with watching(api_b):
            refused = api_b.get("events/stream", {"seconds": 0})
            assert (refused.status, refused.json["code"]) == (503, "overloaded")
    assert look(api_a) == []


def test_a_stream_ends_in_time_and_with_the_process(api_a: Api) -> None:
    answer = list(frames(api_a.get("events/stream", {"seconds": 1}).body.decode()))
    assert answer[-1][1]["code"] == "time"
    with watching(api_a) as seen:
        api_a.edge.loop.call_soon_threadsafe(api_a.edge.application.edge.streams.close)
        assert seen.until(lambda each: each.ended)


def test_while_redis_is_away_the_client_is_told_and_stays(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from recomengine.lib.redis_mux import RedisUnavailable

    with watching(api_a) as seen:
        mux = api_a.edge.application.edge.mux

        async def away(*_: Any) -> Any:
            raise RedisUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(mux, "execute", away)
            assert "interrupted" in seen.frame("trouble")["detail"]
        post(api_a, VIEW)
        seen.events(1)
