"""Rules through the API: kept, audited, in words, with their conflicts, and live everywhere within a second."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from catalog import finding
from recomengine.lib import clock
from recommendations import rule_editing
from recommendations.models import Rule
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import KeyType, TenantRef
from tests.api import Api, start_edge
from tests.conftest import new_key
from tests.recommendations.conftest import ids, slate, visit

ACME = {"field": "brand", "op": "eq", "value": "Acme"}
LUX = {"field": "brand", "op": "eq", "value": "Lux"}
PIN = {"key": "first", "name": "Rug first", "action": {"type": "pin", "item_id": "rug", "position": 1}}


def rule(action: str, key: str = "mine", **fields: Any) -> dict[str, Any]:
    own = {name: fields.pop(name) for name in list(fields) if name not in rule_editing.NAMES}
    return {"key": key, "name": key.title(), "action": {"type": action, **own}, **fields}


def popular(api: Api, **params: Any) -> list[str]:
    return ids(slate(api, **{"strategy": "popular", "placement": "home"} | params))


def a_second_later(api: Api, look: Callable[[], bool]) -> None:
    """See that something is so when what the process knows is a second older."""
    api.edge.age(1.0)
    assert look()


def test_created_listed_read_changed_and_removed(api_a: Api, api_b: Api) -> None:
    created = api_a.post("rules", PIN)
    assert created.status == 201, created.body
    assert created.json == PIN | {
        "placement": None, "when": None, "order": 100, "enabled": True, "starts_at": None, "ends_at": None,
        "version": 1, "in_words": "rug at position 1", "stage": 4,
        "conflicts": [{"code": "unknown_item", "rule": None, "message": "The catalogue has no item 'rug'."}],
        "created_at": created.json["created_at"], "updated_at": created.json["updated_at"],
    }  # fmt: skip
    assert api_a.get("rules/first").json == created.json
    assert api_a.get("rules").json == {"results": [created.json], "next": None, "previous": None}
    assert api_b.get("rules").json["results"] == []
    changed = api_a.call("PATCH", "rules/first", data={"name": "Rug", "starts_at": "2026-12-01T01:00:00+01:00"})
    assert (changed.status, changed.json["version"], changed.json["starts_at"]) == (200, 2, "2026-12-01T00:00:00Z")
    again = api_a.call("PATCH", "rules/first", data={"name": "Rug", "starts_at": "2026-12-01T00:00:00Z"})
    assert again.json == changed.json
    assert api_a.call("DELETE", "rules/first").status == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert api_a.call(method, "rules/first", data={}).status == 404
    told = list(AuditEntry.objects.filter(object_type="rule").order_by("id"))[-3:]
    assert [(each.action, each.object_id) for each in told] == [
        ("rule.created", "first"), ("rule.edited", "first"), ("rule.deleted", "first"),
    ]  # fmt: skip
    assert told[0].after["action"] == PIN["action"]
    assert (told[1].before, told[1].after) == (
        {"name": "Rug first", "starts_at": None},
        {"name": "Rug", "starts_at": "2026-12-01T00:00:00+00:00"},
    )


def test_each_action_changes_the_slate_as_it_says(shop: Api) -> None:
    """What is popular in the tiny shop: tea, mug, cup, and so on; see `conftest.py`."""
    plain = popular(shop)
    assert plain[:3] == ["tea", "mug", "cup"]
    on_mugs = {"item_id": "mug", "placement": "pdp", "strategy": "popular"}
    kitchen = {"field": "category", "op": "eq", "value": "Kitchen"}
    kept: list[tuple[dict[str, Any], Callable[[], bool]]] = [
        (rule("pin", item_id="rug", position=2), lambda: popular(shop)[1] == "rug"),
        (rule("boost", filter=LUX, factor=100), lambda: set(popular(shop)[:2]) == {"lamp", "bulb"}),
        (rule("bury", filter=ACME), lambda: set(popular(shop)[-2:]) == {"mug", "cup"}),
        (rule("include", filter=ACME), lambda: set(popular(shop)) == {"mug", "cup"}),
        (rule("exclude", filter=ACME), lambda: set(popular(shop)) == set(plain) - {"mug", "cup"}),
        (rule("include", filter=LUX, when=kitchen), lambda: set(popular(shop, **on_mugs)) == {"lamp", "bulb"}),
        (rule("same_category"), lambda: popular(shop, **on_mugs) == ["cup"]),
        (rule("same_category", levels=1), lambda: set(popular(shop, **on_mugs)) == {"cup", "pot"}),
    ]
    for sent, is_so in kept:
        created = shop.post("rules", sent)
        assert created.status == 201, created.body
        a_second_later(shop, is_so)
        assert shop.call("DELETE", "rules/mine").status == 204
        a_second_later(shop, lambda: popular(shop) == plain)


def test_a_price_band_and_what_is_hidden(shop: Api) -> None:
    prices = {"mug": "10", "cup": "12", "pot": "40", "tea": "4"}
    for item_id, price in prices.items():
        changed = shop.call("PATCH", f"catalog/items/{item_id}", data={"price": price, "currency": "EUR"})
        assert changed.status == 200, changed.body
    assert shop.post("rules", rule("price_band", lowest=0.5, highest=2)).status == 201
    a_second_later(shop, lambda: popular(shop, item_id="mug") == ["cup"])
    shop.call("DELETE", "rules/mine")
    bought = {"type": "purchase", "visitor_id": "new", "order_id": "o-new", "items": [{"item_id": "tea", "price": 1}]}
    cart = {"type": "add_to_cart", "visitor_id": "new", "item_id": "lamp"}
    assert shop.post("events/batch", {"events": [bought, cart, *visit("new", "cup", days=0)]}).json["accepted"] == 3
    assert shop.post("rules", rule("pin", "pin", item_id="lamp", position=1)).status == 201
    assert shop.post("rules", rule("hide", "cart", what="in_cart")).json["conflicts"][0]["code"] == "pin_hidden"
    a_second_later(shop, lambda: "lamp" not in popular(shop, visitor_id="new") and popular(shop)[0] == "lamp")
    assert shop.post("rules", rule("hide", "bought", what="purchased")).status == 201
    a_second_later(shop, lambda: "tea" not in popular(shop, visitor_id="new") and "tea" in popular(shop))


def test_a_rule_holds_in_its_placement_or_everywhere(shop: Api) -> None:
    shop.post("rules", rule("exclude", filter=ACME, placement="home"))
    a_second_later(shop, lambda: "mug" not in popular(shop))
    assert "mug" in popular(shop, placement="cart")
    shop.call("PATCH", "rules/mine", data={"placement": None})
    a_second_later(shop, lambda: "mug" not in popular(shop, placement="cart"))
    shop.call("PATCH", "rules/mine", data={"enabled": False})
    a_second_later(shop, lambda: "mug" in popular(shop) and "mug" in popular(shop, placement="cart"))


def test_a_schedule_starts_and_ends(shop: Api) -> None:
    now = clock.now()
    span = {"starts_at": (now + timedelta(hours=1)).isoformat(), "ends_at": (now + timedelta(hours=2)).isoformat()}
    assert shop.post("rules", rule("exclude", filter=ACME) | span).status == 201
    shop.edge.age(1.0)  # the process sees it
    assert "mug" in popular(shop)
    with time_machine.travel(now + timedelta(hours=1, minutes=1), tick=True):
        assert "mug" not in popular(shop)
    with time_machine.travel(now + timedelta(hours=2, minutes=1), tick=True):
        assert "mug" in popular(shop)


def test_another_serving_process_follows_within_a_second(shop: Api, tenant_a: TenantRef) -> None:
    with start_edge() as edge:
        other = Api(edge, new_key(tenant_a, KeyType.READ_WRITE))
        assert "mug" in popular(other)
        shop.post("rules", rule("exclude", filter=ACME))
        a_second_later(other, lambda: "mug" not in popular(other))


def test_rules_are_listed_stage_by_stage(shop: Api) -> None:
    shop.call("PATCH", "placements/pdp", data={"diversity": 0.5, "filter": {"not": LUX}})
    for sent in (
        rule("pin", "pin", item_id="rug", position=1, order=1),
        rule("boost", "late", filter=ACME, factor=2, order=200),
        rule("bury", "early", filter=LUX, placement="pdp"),
        rule("same_category", "category", placement="pdp", order=300),
        rule("hide", "elsewhere", what="seen", placement="home"),
    ):
        assert shop.post("rules", sent).status == 201
    answer = shop.get("rules", {"placement": "pdp"}).json
    assert [each["key"] for each in answer["results"]] == ["category", "early", "late", "pin"]
    assert [(each["stage"], each["rules"]) for each in answer["stages"]] == [
        (1, ["category"]), (2, ["early", "late"]), (3, []), (4, ["pin"]),
    ]  # fmt: skip
    assert answer["stages"][0]["placement"][0] == "Only products whose brand is not Lux"
    assert answer["stages"][2]["placement"] == ["Brands and categories are mixed with a strength of 0.5, from 0 to 1"]
    assert shop.get("rules", {"placement": "nowhere"}).json["code"] == "unknown_placement"
    assert shop.get("rules", {"place": "pdp"}).json["code"] == "unknown_parameter"


def test_conflicts_are_told_when_saved_and_when_listed(shop: Api) -> None:
    assert shop.post("rules", PIN).json["conflicts"] == []
    second = shop.post("rules", rule("pin", item_id="tea", position=1)).json
    assert [(each["code"], each["rule"]) for each in second["conflicts"]] == [("same_position", "first")]
    listed = {each["key"]: each["conflicts"] for each in shop.get("rules").json["results"]}
    assert [each["rule"] for each in listed["first"]] == ["mine"]
    off = shop.call("PATCH", "rules/mine", data={"enabled": False})
    assert off.json["conflicts"] == shop.get("rules/first").json["conflicts"] == []
    nothing = rule("include", "none", filter={"field": "brand", "op": "eq", "value": "Nobody"}, placement="home")
    found = {each["code"]: each["rule"] for each in shop.post("rules", nothing).json["conflicts"]}
    assert found == {"nothing_passes": None, "pin_filtered": "first"}


def test_a_catalogue_that_takes_too_long_holds_nobody_up(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 10")
            cursor.execute("SELECT pg_sleep(5)")
        return []

    monkeypatch.setattr(finding, "passing", transaction.atomic(slow))
    nobody = rule("include", filter={"field": "brand", "op": "eq", "value": "Nobody"})
    created = shop.post("rules", nobody)
    assert (created.status, created.json["conflicts"]) == (201, [])


def test_a_preview_shows_the_slate_before_and_after_and_changes_nothing(shop: Api, tenant_a: TenantRef) -> None:
    shop.post("rules", rule("exclude", "acme", filter=ACME))
    a_second_later(shop, lambda: "mug" not in popular(shop))
    entries = AuditEntry.objects.count()
    asked = {"placement": "home", "strategy": "popular", "visitor_id": "somebody"}
    later = (clock.now() + timedelta(days=1)).isoformat()
    sent = {"rule": {"action": PIN["action"], "starts_at": later, "enabled": False}, "why_not": "mug", **asked}
    answer = shop.post("rules/preview", sent)
    assert answer.status == 200, answer.body
    before, after = answer.json["before"], answer.json["after"]
    assert ids(before) == popular(shop)
    assert ids(after)[0] == "rug"
    assert after["items"][0]["explanation"]["pinned_by"] == "preview"
    assert after["explanation"]["rules"]["applied"] == ["acme", "preview"]
    assert after["why_not"]["by"] == "acme"
    assert answer.json["in_words"] == "rug at position 1"
    without = shop.post("rules/preview", {"without": ["acme"], **asked}).json
    assert "mug" not in ids(without["before"])
    assert "mug" in ids(without["after"])
    changed = {"key": "acme", "action": {"type": "exclude", "filter": LUX}}
    replaced = shop.post("rules/preview", {"rule": changed, **asked}).json["after"]
    assert "mug" in ids(replaced)
    assert "lamp" not in ids(replaced)
    with tenancy.use(tenant_a):
        assert [row.key for row in Rule.objects.all()] == ["acme"]
    assert AuditEntry.objects.count() == entries
    assert "mug" not in popular(shop)


def test_reading_is_enough_for_a_preview_and_not_for_a_change(shop: Api, tenant_a: TenantRef) -> None:
    reader = Api(shop.edge, new_key(tenant_a, KeyType.READ_ONLY))
    assert reader.post("rules/preview", {"rule": PIN}).status == 200
    assert (reader.get("rules").status, reader.post("rules", PIN).status) == (200, 403)
    public = Api(shop.edge, new_key(tenant_a, KeyType.PUBLISHABLE))
    assert public.post("rules/preview", {"rule": PIN}).status == 403


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"headline": "x"}, "/headline"),
        ({"key": "Not a key"}, "/key"),
        ({"key": "preview"}, "/key"),
        ({"name": ""}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"placement": "nowhere"}, "/placement"),
        ({"placement": "a\x00b"}, "/placement"),
        ({"order": -1}, "/order"),
        ({"order": 2**40}, "/order"),
        ({"enabled": 1}, "/enabled"),
        ({"action": {"type": "sink"}}, "/action/type"),
        ({"action": {}}, "/action/type"),
        ({"action": {"type": "pin", "item_id": "a", "position": 51}}, "/action/position"),
        ({"action": {"type": "pin", "item_id": "a", "position": 1, "more": 1}}, "/action/more"),
        ({"action": {"type": "boost", "filter": ACME, "factor": 0.5}}, "/action/factor"),
        ({"action": {"type": "bury", "filter": {"all": [{"field": "x"}]}}}, "/action/filter/all/0/field"),
        ({"action": {"type": "include", "filter": {"field": "price", "op": "lt", "value": 2**80}}}, "/action/filter"),
        ({"action": {"type": "price_band"}}, "/action"),
        ({"action": {"type": "price_band", "lowest": 2, "highest": 1}}, "/action/highest"),
        ({"when": {"field": "brand", "op": "like", "value": "x"}}, "/when/op"),
        ({"starts_at": "2026-12-01T00:00:00"}, "/starts_at"),
        ({"starts_at": "0001-01-01T00:00:00Z"}, "/starts_at"),
        ({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}, "/ends_at"),
    ],
)
def test_what_makes_no_rule(api_a: Api, change: Any, pointer: str) -> None:
    entries = AuditEntry.objects.count()
    refused = api_a.post("rules", PIN | change)
    assert (refused.status, refused.json["code"]) == (400, "invalid"), refused.body
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    if pointer != "/key":
        previewed = api_a.post("rules/preview", {"rule": PIN | change})
        assert [error["pointer"] for error in previewed.json["errors"]] == [f"/rule{pointer}"]
    assert api_a.post("rules", PIN).status == 201
    changed = api_a.call("PATCH", "rules/first", data=change)
    assert [error["pointer"] for error in changed.json["errors"]] == [pointer]
    assert AuditEntry.objects.count() == entries + 1


def test_hostile_bodies_are_refused(api_a: Api) -> None:
    for body in (b"", b"[]", b"{", b'"x"', b'{"key":"\\ud800"}', b"[" * 100_000, b'{"action":' * 5_000):
        for method, path in (("POST", "rules"), ("POST", "rules/preview"), ("PATCH", "rules/x")):
            answer = api_a.call(method, path, data=body)
            assert answer.status in {400, 404}, (body[:20], answer.body)
    for key in ("a\x00b", "x" * 500, "../first", "'; drop"):
        assert api_a.get(f"rules/{key}").status == 404
    assert api_a.post("rules/preview", {"placement": "nowhere"}).json["code"] == "unknown_placement"
    assert api_a.post("rules/preview", {"after": "x"}).json["code"] == "unknown_parameter"
    assert api_a.post("rules/preview", {"surprise": 1}).json["errors"][0]["pointer"] == "/surprise"


def test_a_key_is_taken_once_and_there_are_so_many(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_a.post("rules", PIN).status == 201
    assert api_a.post("rules", PIN).json["code"] == "conflict"
    monkeypatch.setattr(rule_editing, "MAX_RULES", 1)
    assert api_a.post("rules", PIN | {"key": "second"}).json["code"] == "conflict"


def test_a_pin_beyond_the_end_of_a_slate_is_not_shown_at_its_end(shop: Api) -> None:
    sent = {"rule": rule("pin", item_id="rug", position=5), "placement": "home", "strategy": "popular", "limit": 3}
    answer = shop.post("rules/preview", sent).json["after"]
    assert len(answer["items"]) == 3
    assert "rug" not in ids(answer)
    assert [(each["rule"], each["code"]) for each in answer["explanation"]["rules"]["passed_over"]] == [
        ("mine", "beyond_limit")
    ]
