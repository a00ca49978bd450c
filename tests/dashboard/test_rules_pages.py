"""The pages of rules: what holds where and in which order, writing one, and seeing what it would do before."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import msgspec
import pytest
from django.test import Client
from hypothesis import given

from catalog.filters import every, parse
from recommendations import preview, rule_editing
from recommendations.dashboard import filter_rows
from recommendations.dashboard.filter_rows import Row, Rows
from recommendations.models import Rule
from recommendations.types import Query
from tenants import tenancy
from tenants.models import AuditEntry, Tenant
from tenants.types import Actor, TenantRef
from tests.catalog.test_filters import generated_filters

HOSTILE = "<script>alert('x')</script>"
ACME = {"field": "brand", "op": "eq", "value": "Acme"}
ASKED = {"field": "title", "op": "contains", "value": "red"}
WRITTEN = {
    "name": "Red first", "action": "boost", "placement": "home", "factor": "3", "order": "50", "enabled": "on",
    "filter_field": ["title", ""], "filter_op": ["contains", "eq"], "filter_value": ["red", ""],
    "filter_joined": "all", "starts_at": "2026-12-01T08:30", "ends_at": "",
}  # fmt: skip


def with_rules(shop: TenantRef) -> None:
    """Rules of every stage, one of which is in the way of another."""
    actions: dict[str, dict[str, Any]] = {
        "first": {"type": "pin", "item_id": "mug", "position": 1},
        "second": {"type": "pin", "item_id": "cup", "position": 1},
        "nested": {"type": "exclude", "filter": {"not": {"any": [ACME, {"all": [ASKED]}]}}},
        "category": {"type": "same_category"},
        "red": {"type": "boost", "filter": {"all": [ASKED]}, "factor": 2},
    }
    for key, action in actions.items():
        sent = {"key": key, "name": f"The {key} one", "action": action, "enabled": key != "nested"}
        rule_editing.create(shop, sent, by=Actor("person", "eva@example.com"))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def rule(shop: TenantRef, key: str) -> Rule:
    with tenancy.use(shop):
        return Rule.objects.get(key=key)


def served(shop: TenantRef, **asked: Any) -> list[str]:
    slate = preview.slate(shop, Query("home", strategy="popular", **asked))
    return [each.admitted.card.item_id for each in slate.items]


def test_the_list_shows_what_applies_stage_by_stage_in_words(ann: Client, shop: TenantRef) -> None:
    assert "No rule yet" in text_of(ann.get("/rules/"))
    with_rules(shop)
    text = text_of(ann.get("/rules/?placement=pdp"))
    stages = [text.index(title) for title in ("1. Hidden and filtered", "2. Boosts", "3. Diversity", "4. Pins")]
    words = ["category of the product at hand", "title contains red count 2 times as much", "mug at position 1"]
    assert [
        *stages[:1],
        text.index(words[0]),
        stages[1],
        text.index(words[1]),
        *stages[2:],
        text.index(words[2]),
    ] == sorted([*stages, *map(text.index, words)])
    assert "One variant of each product" in text
    assert "both pin to position 1" in text
    assert "Edit" not in text  # a viewer only looks


def test_a_rule_is_written_changed_switched_and_deleted(eva: Client, shop: TenantRef) -> None:
    Tenant.objects.filter(slug=shop.slug).update(timezone="Europe/Berlin")
    assert eva.get("/rules/new/").status_code == 200
    saved = eva.post("/rules/new/", WRITTEN)
    assert (saved.status_code, saved["Location"]) == (302, "/rules/?placement=home")
    row = rule(shop, "red-first")
    assert row.action == {"type": "boost", "factor": 3.0, "filter": {"all": [ASKED]}}
    assert (row.placement, row.order, row.enabled, row.when, row.ends_at) == ("home", 50, True, None, None)
    assert row.starts_at == datetime(2026, 12, 1, 7, 30, tzinfo=UTC)
    page = eva.get("/rules/red-first/edit/").content.decode()
    assert 'value="2026-12-01T08:30"' in page
    assert 'value="contains" selected' in page
    changed = {**WRITTEN, "starts_at": "", "filter_text": '{"not": {"field": "brand", "op": "exists"}}', "key": "other"}
    assert eva.post("/rules/red-first/edit/", changed).status_code == 302
    row = rule(shop, "red-first")
    assert (row.version, row.starts_at) == (2, None)
    assert row.action["filter"] == {"not": {"field": "brand", "op": "exists"}}
    eva.post("/rules/red-first/switch/", {"enabled": "off"})
    assert rule(shop, "red-first").enabled is False
    assert "Red first" in text_of(eva.get("/rules/red-first/delete/"))
    assert eva.post("/rules/red-first/delete/").status_code == 302
    actions = [each.action for each in AuditEntry.objects.filter(object_id="red-first").order_by("id")]
    assert actions[-4:] == ["rule.created", "rule.edited", "rule.edited", "rule.deleted"]
    with tenancy.use(shop):
        assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": ""}, "This field is required."),
        ({"action": "pin"}, "This is needed."),
        ({"action": "price_band"}, "Say one of the two."),
        ({"action": "price_band", "lowest": "2", "highest": "1"}, "`highest` is not below `lowest`."),
        ({"action": "sink"}, "Select a valid choice."),
        ({"filter_field": ["", ""]}, "Say which products"),
        ({"filter_field": ["title", "prize"]}, "Condition 2: Ask about"),
        ({"filter_op": ["lt", "eq"]}, "Condition 1: `title` can be asked with"),
        ({"filter_text": "{"}, "That is no JSON"),
        ({"filter_text": '{"some": []}'}, "Write a condition of"),
        (
            {"when_field": "price", "when_op": "between", "when_value": "1"},
            "`between` takes the lowest and the highest",
        ),
        ({"ends_at": "2026-11-01T00:00"}, "A rule ends after it starts."),
        ({"starts_at": "0001-01-01T00:00"}, "Choose a day from 2000"),
        ({"order": "99999999999999999999"}, "less than or equal to 10000"),
        ({"key": "Not a key"}, "Expected `str` matching regex"),
        ({"name": HOSTILE, "filter_value": [HOSTILE, ""], "action": "sink"}, "Select a valid choice."),
    ],
)
def test_what_is_wrong_is_said_on_the_form(eva: Client, shop: TenantRef, change: Any, text: str) -> None:
    answer = eva.post("/rules/new/", WRITTEN | change)
    assert answer.status_code == 400
    assert text in text_of(answer)
    assert HOSTILE not in answer.content.decode()
    with tenancy.use(shop):
        assert not Rule.objects.exists()


def test_a_taken_key_is_said_beside_it(eva: Client, shop: TenantRef) -> None:
    assert eva.post("/rules/new/", WRITTEN).status_code == 302
    answer = eva.post("/rules/new/", WRITTEN)
    assert answer.status_code == 400
    assert "There is a rule 'red-first' already." in text_of(answer)


def test_more_conditions_are_asked_for_without_losing_what_is_typed(eva: Client, shop: TenantRef) -> None:
    few = eva.get("/rules/new/").content.decode().count('name="filter_field"')
    answer = eva.post("/rules/new/", {**WRITTEN, "more": "filter"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert page.count('name="filter_field"') > few
    assert page.count('name="when_field"') == few
    assert 'value="red"' in page


def test_a_preview_shows_both_slates_and_saves_nothing(eva: Client, shop: TenantRef) -> None:
    before, entries = served(shop), AuditEntry.objects.count()
    pin = {**WRITTEN, "action": "pin", "item_id": "tray", "position": "1", "look_placement": "home", "placement": ""}
    part = eva.post("/rules/preview/", pin, headers={"HX-Request": "true"})
    text = text_of(part)
    assert part.status_code == 200
    assert "<html" not in part.content.decode()
    now, then = text.split("With the rule")
    assert "tray at position 1" in now
    assert then.index("Wooden tray") < then.index("Tea pot")
    whole = eva.post("/rules/preview/", pin)  # without a script
    assert whole.status_code == 200
    assert "With the rule" in text_of(whole)
    assert 'value="tray"' in whole.content.decode()
    wrong = eva.post("/rules/preview/", {**pin, "position": "99"}, headers={"HX-Request": "true"})
    assert "less than or equal to 50" in text_of(wrong)
    unknown = eva.post("/rules/preview/", {**pin, "look_placement": "nowhere"}, headers={"HX-Request": "true"})
    assert "There is no placement 'nowhere'" in text_of(unknown)
    same = eva.post("/rules/preview/", {**pin, "item_id": "nothing"}, headers={"HX-Request": "true"})
    assert "It changes nothing here." in text_of(same)
    assert "The catalogue has no item 'nothing'." in text_of(same)
    assert served(shop) == before
    assert AuditEntry.objects.count() == entries
    with tenancy.use(shop):
        assert not Rule.objects.exists()


def test_a_preview_of_a_saved_rule_puts_it_in_its_own_place(eva: Client, shop: TenantRef) -> None:
    with_rules(shop)
    moved = {**WRITTEN, "saved": "first", "action": "pin", "item_id": "mug", "position": "3", "placement": ""}
    part = eva.post("/rules/preview/", {**moved, "look_placement": "home"}, headers={"HX-Request": "true"})
    text = text_of(part)
    assert "mug at position 3" in text
    assert "both pin" not in text
    assert text.split("With the rule")[1].index("Small red cup") < text.split("With the rule")[1].index("Red mug")


def test_saving_tells_what_is_in_the_way(eva: Client, shop: TenantRef) -> None:
    with_rules(shop)
    third = {**WRITTEN, "action": "pin", "item_id": "pot", "position": "1", "starts_at": ""}
    assert "both pin to position 1" in text_of(eva.post("/rules/new/", third, follow=True))


@given(generated_filters)
def test_a_filter_that_goes_through_rows_means_the_same(tree: Any) -> None:
    stored = msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(tree))
    again = filter_rows.of_filter(stored).as_json
    assert every(parse(again)) == every(parse(stored))


@pytest.mark.parametrize(
    ("tree", "is_rows"),
    [
        ({"field": "price", "op": "lte", "value": 50}, True),
        ({"any": [ACME, ASKED]}, True),
        ({"field": "brand", "op": "in", "value": ["A", "B"]}, True),
        ({"field": "brand", "op": "in", "value": ["A, B"]}, False),
        ({"field": "brand", "op": "eq", "value": " A"}, False),
        ({"not": ACME}, False),
        ({"all": []}, False),
    ],
)
def test_what_rows_cannot_say_is_shown_as_json(tree: Any, is_rows: bool) -> None:
    found = filter_rows.of_filter(tree)
    assert (bool(found.rows), bool(found.text)) == (is_rows, not is_rows)


def test_values_of_attributes_keep_their_kind() -> None:
    rows = Rows([Row("attributes.size", "in", '5, "6", true, L'), Row("price", "lt", "5"), Row("brand", "missing")])
    assert rows.as_json == {
        "all": [
            {"field": "attributes.size", "op": "in", "value": [5, "6", True, "L"]},
            {"field": "price", "op": "lt", "value": "5"},
            {"field": "brand", "op": "exists", "value": False},
        ]
    }
    assert list(filter_rows.of_filter(rows.as_json).rows) == list(rows.rows)
