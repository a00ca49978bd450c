"""The pages of placements: what they say, changing one without JavaScript, going back, and who may."""

import json
from typing import Any

import pytest
from django.test import Client

from experiments import editing
from recommendations import placement_editing
from recommendations.dashboard.placement_forms import moved
from recommendations.models import Placement
from recommendations.placement_editing import check_experiment
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import PLATFORM, TenantRef

HOSTILE = "<script>alert(1)</script>"
MINE = {"key": "below", "name": "Below", "cascade": ["popular", "trending", "new"], "limit": 3}
SENT = {
    "name": "Below", "limit": "3", "diversity": "0.4", "newness": "0", "margin": "0", "exploration": "0.1",
    "rotation": "on", "cascade": ["popular", "trending", "new"],
}  # fmt: skip


@pytest.fixture
def below(tenant_a: TenantRef) -> Placement:
    return placement_editing.create(tenant_a, MINE, by=PLATFORM)


def page(browser: Client, address: str = "/placements/") -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def row(tenant: TenantRef, key: str = "below") -> Placement:
    return placement_editing.get(tenant, key)


def under_test(tenant: TenantRef, placement: str) -> None:
    variants = [editing.VariantIn("control", 0.75), editing.VariantIn("trend", 0.25, {"strategy": "trending"})]
    fields = {"key": "try-it", "name": "Try it", "placement": placement, "variants": variants, "coverage": 0.4}
    editing.create(tenant, fields, by=PLATFORM)
    editing.start(tenant, "try-it", check_experiment, by=PLATFORM)


def test_the_list_says_what_fills_each_and_what_is_set(ann: Client, shop: TenantRef) -> None:
    settings = {"diversity": 0.3, "rotation": False, "exploration": 0.1, "filter": {"field": "price", "op": "exists"}}
    placement_editing.create(shop, MINE | settings, by=PLATFORM)
    shown = " ".join(page(ann).split())
    assert "Below" in shown
    cascade = '<span aria-hidden="true" class="text-muted">→</span><span class="sr-only">, then</span>'
    assert f"Popular {cascade} Trending {cascade} New" in shown
    assert (
        "up to 3 products, only products that pass its filter, brands and categories mixed by 30%, no rotation, "
        "the last slot by chance in 10% of slates." in shown
    )
    assert "/previewer/?item=pot&amp;placement=below" in shown
    assert "/placements/edit/" not in shown  # a viewer's page


def test_a_running_experiment_shows_with_its_shares(ann: Client, shop: TenantRef) -> None:
    under_test(shop, "pdp")
    shown = " ".join(page(ann).split())
    assert "try-it" in shown
    assert "40.0% of the visitors take part" in shown
    assert "(control) 30.0%" in shown
    assert '<span class="font-mono">trend</span> <span class="text-muted">10.0%' in shown
    editing.pause(shop, "try-it", by=PLATFORM)
    assert "try-it" not in page(ann)


def test_an_editor_makes_one(eva: Client, tenant_a: TenantRef) -> None:
    assert "/placements/new/" in page(eva)
    assert 'name="key"' in page(eva, "/placements/new/")
    answer = eva.post("/placements/new/", SENT | {"key": "below"})
    assert (answer.status_code, answer["Location"]) == (302, "/placements/")
    made = row(tenant_a)
    assert (made.cascade, made.limit, made.diversity, made.exploration) == (MINE["cascade"], 3, 0.4, 0.1)
    assert (made.rotation, made.one_per_group, made.filter, made.version) == (True, False, None, 1)
    told = AuditEntry.objects.filter(action="placement.created").latest("id")
    assert (told.actor, told.object_id) == ("eva@example.com", "below")
    taken = eva.post("/placements/new/", SENT | {"key": "below"})
    assert taken.status_code == 400
    assert "There is a placement &#x27;below&#x27; already." in taken.content.decode()


def test_an_editor_changes_one(eva: Client, tenant_a: TenantRef, below: Placement) -> None:
    shown = page(eva, "/placements/edit/below/")
    assert 'name="key"' not in shown
    rows = {"filter_field": ["price", "brand", ""], "filter_op": ["lte", "in", "eq"]}
    rows |= {"filter_value": ["9.95", "Acme, Bolt", ""], "filter_joined": "any"}
    wanted = {
        "any": [
            {"field": "price", "op": "lte", "value": "9.95"},
            {"field": "brand", "op": "in", "value": ["Acme", "Bolt"]},
        ]
    }
    assert eva.post("/placements/edit/below/", SENT | rows | {"name": "Under"}).status_code == 302
    changed = row(tenant_a)
    assert (changed.name, changed.filter, changed.version) == ("Under", wanted, 2)
    assert 'value="Acme, Bolt"' in page(eva, "/placements/edit/below/")
    assert eva.post("/placements/edit/below/", SENT).status_code == 302
    assert row(tenant_a).filter is None


def test_a_filter_that_rows_cannot_say_is_json(eva: Client, tenant_a: TenantRef, below: Placement) -> None:
    wanted = {"not": {"field": "brand", "op": "exists"}}
    assert eva.post("/placements/edit/below/", SENT | {"filter_text": json.dumps(wanted)}).status_code == 302
    assert row(tenant_a).filter == wanted
    assert "&quot;not&quot;" in page(eva, "/placements/edit/below/")


def test_more_conditions_keep_what_was_typed(eva: Client, tenant_a: TenantRef, below: Placement) -> None:
    rows = {"filter_field": ["brand"], "filter_op": ["contains"], "filter_value": ["Ac"], "more": "filter"}
    shown = eva.post("/placements/edit/below/", SENT | rows | {"name": "Typed"}).content.decode()
    assert shown.count('name="filter_field"') == 5
    assert 'value="Ac"' in shown
    assert 'value="Typed"' in shown
    moved_up = eva.post("/placements/edit/below/", SENT | rows | {"move": "up trending"}).content.decode()
    assert 'value="Ac"' in moved_up
    assert row(tenant_a).version == 1


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"limit": "51"}, "less than or equal to 50"),
        ({"diversity": "1.5"}, "less than or equal to 1"),
        ({"diversity": "nan"}, "Enter a number"),
        ({"name": ""}, "This field is required"),
        ({"filter_text": "{"}, "That is no JSON"),
        ({"filter_text": '"red"'}, "A filter is an object"),
        ({"filter_field": ["title"], "filter_op": ["lt"], "filter_value": ["A"]}, "Condition 1: `title` can be asked"),
        ({"filter_text": '{"field": "price", "op": "lt", "value": 1' + "0" * 30 + "}"}, "too large"),
        ({"cascade": []}, "at least one strategy"),
        ({"cascade": ["magic"]}, "There is no strategy"),
        ({"cascade": ["\x00"]}, "There is no strategy"),
    ],
)
def test_what_is_refused_says_why_and_keeps_what_was_typed(
    eva: Client, tenant_a: TenantRef, below: Placement, sent: dict[str, Any], said: str
) -> None:
    answer = eva.post("/placements/edit/below/", SENT | {"name": "Typed"} | sent)
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert said in shown
    assert sent.get("name", "Typed") in shown
    assert (row(tenant_a).name, row(tenant_a).version) == ("Below", 1)


def test_the_cascade_is_put_in_order_without_javascript(eva: Client, tenant_a: TenantRef, below: Placement) -> None:
    answer = eva.post("/placements/edit/below/", SENT | {"move": "up new", "name": "Typed", "limit": "not yet"})
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert order(shown) == ["popular", "new", "trending"]
    assert 'value="Typed"' in shown
    assert 'value="not yet"' in shown
    assert "<html" in shown
    assert row(tenant_a).cascade == MINE["cascade"]  # nothing is saved yet
    eva.post("/placements/edit/below/", SENT | {"cascade": order(shown)})
    assert row(tenant_a).cascade == ["popular", "new", "trending"]


def test_htmx_gets_the_cascade_alone(eva: Client, below: Placement) -> None:
    sent = SENT | {"move": "add", "add": "session"}
    answer = eva.post("/placements/edit/below/", sent, headers={"HX-Request": "true"})
    shown = answer.content.decode()
    assert order(shown) == ["popular", "trending", "new", "session"]
    assert "<html" not in shown
    assert answer["Vary"].count("HX-Request") == 1


def order(shown: str) -> list[str]:
    return [part.split('"')[0] for part in shown.split('name="cascade" value="')[1:]]


@pytest.mark.parametrize(
    ("move", "cascade"),
    [
        ("up b", ["b", "a", "c"]), ("down b", ["a", "c", "b"]), ("remove b", ["a", "c"]), ("up a", ["a", "b", "c"]),
        ("down c", ["a", "b", "c"]), ("add", ["a", "b", "c", "d"]), ("up nothing", ["a", "b", "c"]),
        ("sideways b", ["a", "b", "c"]), ("", ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_moves(move: str, cascade: list[str]) -> None:
    assert moved(["a", "b", "b", "c"], move, "d") == cascade
    assert moved(["a"], "add", "a") == ["a"]


def test_versions_are_shown_and_gone_back_to(eva: Client, ann: Client, tenant_a: TenantRef, below: Placement) -> None:
    wanted = {"field": "price", "op": "exists", "value": True}
    placement_editing.edit(tenant_a, "below", {"limit": 5, "cascade": ["session"], "filter": wanted}, by=PLATFORM)
    shown = page(eva, "/placements/versions/below/")
    assert "Version 2" in shown
    assert "&quot;op&quot;:&quot;exists&quot;" in shown
    assert "&quot;value&quot;:true" in shown
    assert "up to 3 products" in shown
    assert "/placements/versions/below/1/restore/" in shown
    assert "/restore/" not in page(ann, "/placements/versions/below/")
    assert eva.post("/placements/versions/below/1/restore/").status_code == 302
    back = row(tenant_a)
    assert (back.limit, back.cascade, back.version) == (3, MINE["cascade"], 3)
    assert AuditEntry.objects.filter(action="placement.restored").latest("id").actor == "eva@example.com"
    assert eva.post("/placements/versions/below/9/restore/").status_code == 404


def test_deleting_asks_once_more_and_says_what_stands_in_its_way(
    eva: Client, tenant_a: TenantRef, below: Placement
) -> None:
    assert "Below" in page(eva, "/placements/delete/below/")
    under_test(tenant_a, "below")
    answer = eva.post("/placements/delete/below/", follow=True)
    assert "is used by the experiment try-it" in answer.content.decode()
    editing.pause(tenant_a, "try-it", by=PLATFORM)
    eva.post("/placements/delete/below/")
    with tenancy.use(tenant_a):
        assert not Placement.objects.filter(key="below").exists()


@pytest.mark.parametrize("address", ["new/", "edit/below/", "delete/below/", "versions/below/1/restore/"])
def test_a_viewer_changes_nothing(ann: Client, tenant_a: TenantRef, below: Placement, address: str) -> None:
    assert ann.post(f"/placements/{address}", SENT | {"key": "other"}).status_code == 403
    assert (row(tenant_a).name, row(tenant_a).version) == ("Below", 1)


def test_names_are_shown_and_not_obeyed(eva: Client, tenant_a: TenantRef) -> None:
    placement_editing.create(tenant_a, MINE | {"name": HOSTILE}, by=PLATFORM)
    for address in ("", "edit/below/", "versions/below/", "delete/below/"):
        shown = page(eva, f"/placements/{address}")
        assert HOSTILE not in shown
        assert "&lt;script&gt;" in shown


def test_a_shop_without_placements(eva: Client, tenant_a: TenantRef) -> None:
    with tenancy.use(tenant_a):
        Placement.objects.all().delete()
    assert "No placement yet" in page(eva)
