"""What is previewed is what the API would serve, with the reason for each product."""

from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client

from catalog import finding, items
from catalog.search import Search, search
from catalog.types import ItemIn
from events import visitors
from events.history import KEPT
from recomengine.lib import clock
from recommendations import comparison, packing, preview
from recommendations.types import Query
from tenants.types import TenantRef
from tests.dashboard.conftest import CATALOGUE, ago, happened, titles
from tests.dashboard.test_overview import words

HTMX = {"HX-Request": "true"}


class Links(HTMLParser):
    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if tag == "a" and name == "href"]


def compared(tenant: TenantRef, item: str | None, visitor: str | None = None) -> comparison.Comparison:
    asked = comparison.context(tenant, item, visitor, clock.now() - KEPT)
    placement = preview.published(tenant).placements["pdp" if item else "home"].config
    return comparison.compare(tenant, asked, placement)


def strategy(found: comparison.Comparison, title: str) -> comparison.Shown:
    return next(shown for shown in found.strategies if shown.title == title)


def test_each_strategy_shows_its_own_items_with_evidence(shop: TenantRef) -> None:
    found = compared(shop, "mug")
    viewed = strategy(found, "Also viewed")
    assert [(card.item.item_id, card.reason) for card in viewed.cards] == [
        ("cup", "41 shoppers interested in both"),  # what is out of stock is left out
        ("pot", "1 shopper interested in both"),
    ]
    assert [card.share for card in viewed.cards] == [100.0, 25.0]
    assert [card.score for card in viewed.cards] == [800 / packing.SCALE, 200 / packing.SCALE]
    assert [card.item.item_id for card in strategy(found, "Bought together").cards] == ["pot"]


def test_an_empty_strategy_says_why(shop: TenantRef) -> None:
    similar = strategy(compared(shop, "mug"), "Similar")
    assert (similar.cards, similar.empty) == ([], "The model knows nothing that goes with this context yet.")


def test_the_placements_slate_is_the_apis_and_marks_what_filled_it_up(shop: TenantRef) -> None:
    found = compared(shop, "mug")
    served = preview.slate(shop, Query("pdp", items=("mug",)))
    assert [card.item.item_id for card in found.served.cards] == [each.admitted.card.item_id for each in served.items]
    assert [(card.item.item_id, card.is_fallback) for card in found.served.cards] == [
        ("cup", False), ("pot", False), ("tray", True),
    ]  # fmt: skip


def test_only_strategies_that_have_something_to_start_from_are_asked(shop: TenantRef) -> None:
    assert [shown.title for shown in compared(shop, "mug").strategies] == [
        "Also viewed", "Bought together", "Similar", "Trending", "Popular", "New",
    ]  # fmt: skip
    assert {"This visit", "For you"} <= {shown.title for shown in compared(shop, None, "v-77").strategies}


def test_a_visitors_history_explains_what_is_shown(shop: TenantRef) -> None:
    found = compared(shop, None, "v-77")
    assert [card.reason for card in strategy(found, "For you").cards] == [
        "41 shoppers with “Red mug” in their history chose this too",  # 800 · e^(-1/5) is more than 500
        "12 shoppers with “Tea pot” in their history chose this too",
    ]
    asked = comparison.context(shop, None, "v-77", clock.now() - KEPT)
    assert [(done, item.title) for done, item in asked.history] == [
        ("put in the cart", "Tea pot"),
        ("viewed", "Red mug"),
    ]


def test_the_page_shows_product_prices_reasons_and_the_same_request(ann: Client, shop: TenantRef) -> None:
    answer = ann.get("/previewer/?item=mug")
    shown = words(answer.content)
    assert "Product Red mug €9.95 mug Kitchen &gt; Mugs" in shown
    assert "Before: €30.00 €19.99" in shown
    assert "41 shoppers interested in both" in shown
    assert f'curl "{settings.API_URL}/api/v1/recommendations?placement=pdp&amp;item_id=mug"' in shown
    assert '<img src="https://img.example/cup.png" alt=""' in answer.content.decode()
    assert "?item=cup" in Links(answer.content).found


def test_a_recommended_product_is_previewed_for_the_same_visitor_and_placement(ann: Client, shop: TenantRef) -> None:
    links = Links(ann.get("/previewer/?visitor=v-77&placement=home&q=x").content).found
    assert "?visitor=v-77&placement=home&item=pot" in links


def test_a_chosen_placement_is_the_one_shown(ann: Client, shop: TenantRef) -> None:
    assert "<option selected>cart</option>" in ann.get("/previewer/?item=mug&placement=cart").content.decode()
    assert "<option selected>pdp</option>" in ann.get("/previewer/?item=mug&placement=nonsense").content.decode()


def test_htmx_gets_the_part_that_changes_and_the_history_the_whole(ann: Client, shop: TenantRef) -> None:
    part = ann.get("/previewer/?item=mug", headers=HTMX)
    assert b"<html" not in part.content
    assert b"<title>Red mug" in part.content
    assert b"autofocus" in part.content
    assert "HX-Request" in part["Vary"]
    whole = ann.get("/previewer/?item=mug", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert b"<html" in whole.content
    assert b"autofocus" not in whole.content


def test_the_placements_choice_keeps_the_focus(ann: Client, shop: TenantRef) -> None:
    part = ann.get("/previewer/?item=mug&placement=cart", headers={**HTMX, "HX-Trigger": "placement-form"})
    assert b"autofocus" not in part.content


def test_without_anything_asked_there_is_something_to_click(ann: Client, shop: TenantRef) -> None:
    links = Links(ann.get("/previewer/").content).found
    assert {"/previewer/?item=pot", "/previewer/?item=mug", "/previewer/?visitor=v-77"} <= set(links)


def test_search_works_without_a_script(ann: Client, shop: TenantRef) -> None:
    answer = ann.get("/previewer/?q=red")
    assert [link for link in Links(answer.content).found if "item=" in link] == [
        "/previewer/?item=mug", "/previewer/?item=cup",
    ]  # fmt: skip
    assert ann.get("/previewer/?q=tea+pot")["Location"] == "/previewer/?item=pot"
    assert ann.get("/previewer/?q=v-7")["Location"] == "/previewer/?visitor=v-77"
    assert "Nothing found for “zzz”" in words(ann.get("/previewer/?q=zzz").content)


def test_the_drop_down_lists_products_and_visitors(ann: Client, shop: TenantRef) -> None:
    answer = ann.get("/previewer/search/?q=mug", headers=HTMX)
    assert Links(answer.content).found == ["/previewer/?item=mug", "/previewer/?item=gone"]
    assert ann.get("/previewer/search/?q=+", headers=HTMX).content.strip() == b""


def test_nothing_of_another_shop_is_found(ann: Client, shop: TenantRef, tenant_b: TenantRef) -> None:
    items.write(tenant_b, [ItemIn(item_id="secret", title="Red secret")])
    happened(tenant_b, {"type": "view", "visitor_id": "secret-1", "item_id": "secret"})
    for query in ("?q=secret", "search/?q=secret", "?item=secret", "?visitor=secret-1"):
        answer = ann.get(f"/previewer/{query}")
        assert answer.status_code == 200
        assert b"Red secret" not in answer.content
        assert not any("visitor=secret-1" in link for link in Links(answer.content).found if "item=" not in link)
    assert "No product touched" in words(ann.get("/previewer/?visitor=secret-1").content)
    assert "There is no product with the id “secret”" in words(ann.get("/previewer/?item=secret").content)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "%", "\x00", "'; --", "ä" * 500, "a " * 300])
def test_odd_searches_are_harmless(ann: Client, shop: TenantRef, text: str) -> None:
    for name in ("q", "item", "visitor", "placement"):
        answer = ann.get("/previewer/", {"visitor": "v-77", name: text})
        assert answer.status_code == 200
        assert b"<script>alert" not in answer.content


def test_without_a_model_the_page_says_how_to_get_one(ann: Client, tenant_a: TenantRef) -> None:
    items.write(tenant_a, CATALOGUE)
    for page in ("/previewer/", "/previewer/?item=mug"):
        assert "/api/v1/models/train" in words(ann.get(page).content)
    assert "/previewer/?item=mug" in Links(ann.get("/previewer/").content).found


def test_items_are_found_by_id_and_by_words_the_closest_first(shop: TenantRef) -> None:
    def found(text: str, limit: int = 8) -> list[str]:
        return titles(search(shop, Search(text, limit=limit)).items)

    assert found("RED mug") == ["Red mug"]
    assert found("red") == ["Red mug", "Small red cup"]
    assert found("mug") == ["Red mug", "Broken mug"]  # the id before the word
    assert found("TRA") == ["Wooden tray"]
    assert found("mug", 1) == ["Red mug"]
    assert finding.find(shop, "MUG") is None
    assert titles(finding.find_all(shop, ["pot", "none", "mug"])) == ["Tea pot", "Red mug"]


def test_visitors_are_found_by_the_beginning_of_their_id_while_they_are_recent(tenant_a: TenantRef) -> None:
    for visitor, days in (("c-2", 1), ("c-1", 1), ("c-1", 2), ("c-3", KEPT.days + 1), ("C-4", 1), ("xc-1", 1)):
        happened(tenant_a, {"type": "view", "visitor_id": visitor, "item_id": "x", "occurred_at": ago(days=days)})
    since = clock.now() - KEPT
    assert visitors.search(tenant_a, "c-", since) == ["c-1", "c-2"]
    assert visitors.search(tenant_a, "c-", since, limit=1) == ["c-1"]
    assert visitors.search(tenant_a, "c", since) == []  # too short
    assert visitors.search(tenant_a, "c_", since) == []  # no wildcard
    assert visitors.lately_busy(tenant_a, since, 1) == ["c-1"]
