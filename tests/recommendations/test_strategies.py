"""Every strategy's answer on the tiny shop, worked out by hand, through the API."""

from typing import Any

import pytest

from recommendations.strategies import STRATEGIES
from tests.api import Api
from tests.events.test_posting import send
from tests.recommendations.conftest import ITEMS, by, ids, notice, slate, texts


def only(api: Api, strategy: str, **params: Any) -> list[Any]:
    """What the strategy itself supplies, without what fills up."""
    answer = slate(api, strategy=strategy, limit=20, **params)
    assert answer["strategy"] == strategy
    return [item for item in answer["items"] if item["source"] == strategy]


def test_also_viewed_is_what_visits_turn_to(shop: Api) -> None:
    first, *others = only(shop, "also_viewed", item_id="mug")
    assert (first["item_id"], first["reason"]) == (
        "cup",
        {
            "code": "viewed_together",
            "count": 3,
            "because_of": "mug",
            "text": "3 shoppers interested in mug were also interested in this",
        },
    )
    assert {item["item_id"]: item["reason"]["count"] for item in others} == {"jam": 2, "tea": 2, "pot": 1}


def test_also_viewed_prefers_what_comes_after(shop: Api) -> None:
    """Visits lead from the mug to the cup: from the mug the cup is nearer than the mug is from the cup."""
    [forward] = [item["score"] for item in only(shop, "also_viewed", item_id="mug") if item["item_id"] == "cup"]
    [backward] = [item["score"] for item in only(shop, "also_viewed", item_id="cup") if item["item_id"] == "mug"]
    assert forward > backward > 0


def test_bought_together_is_what_shares_orders(shop: Api) -> None:
    items = only(shop, "bought_together", item_id="tea")
    assert ids({"items": items})[0] == "pot"
    assert {item["item_id"] for item in items} == {"pot", "jam", "mug"}
    assert texts(items) == ["2 orders with tea also hold this"] * 3
    # Two orders of two lines count √2 times as much as two of three; pot, jam and mug are in two orders each. The
    # orders are days apart, so the younger ones count a little more.
    assert items[0]["score"] / items[1]["score"] == pytest.approx(2**0.5, rel=2e-2)


def test_bought_together_favours_the_rarer_of_equals(shop: Api) -> None:
    jam, tea = only(shop, "bought_together", item_id="mug")
    assert (jam["item_id"], tea["item_id"]) == ("jam", "tea")
    assert jam["score"] / tea["score"] == pytest.approx((4 / 2) ** 0.1, rel=2e-2)


def test_a_basket_gets_what_goes_with_all_of_it_and_nothing_that_is_in_it(shop: Api) -> None:
    items = only(shop, "bought_together", item_id=["tea", "mug"])
    assert ids({"items": items}) == ["jam", "pot"]
    assert items[0]["reason"]["because_of"] in {"tea", "mug"}
    assert only(shop, "bought_together", item_id=["mug", "tea", "mug"])[0]["item_id"] == "jam"


def test_an_item_named_twice_counts_once(shop: Api) -> None:
    assert only(shop, "bought_together", item_id=["tea", "tea"]) == only(shop, "bought_together", item_id="tea")
    assert only(shop, "also_viewed", item_id=["mug", "mug"]) == only(shop, "also_viewed", item_id="mug")


def test_similar_is_what_resembles(shop: Api) -> None:
    items = only(shop, "similar", item_id="mug")
    assert items[0]["item_id"] == "cup"
    assert items[0]["reason"]["text"] == "Resembles mug"
    assert items[0]["score"] > 3 * items[1]["score"]


def test_similar_knows_items_that_nobody_has_seen(shop: Api) -> None:
    assert {item["item_id"] for item in only(shop, "similar", item_id="rug")} == {"lamp", "bulb"}
    assert only(shop, "also_viewed", item_id="rug") == only(shop, "bought_together", item_id="rug") == []


def test_session_is_what_this_visit_is_about(shop: Api) -> None:
    items = only(shop, "session", session_items=["mug", "lamp"])
    assert [(item["item_id"], item["reason"]["because_of"]) for item in items[:2]] == [("cup", "mug"), ("bulb", "lamp")]
    newest_lamp = only(shop, "session", session_items=["lamp", "mug"])
    assert [item["item_id"] for item in newest_lamp[:2]] == ["bulb", "cup"]


def test_session_begins_with_the_item_at_hand(shop: Api) -> None:
    assert only(shop, "session", item_id="lamp", session_items=["mug"]) == only(
        shop, "session", session_items=["lamp", "mug"]
    )


def test_session_falls_back_on_what_the_visitor_did(shop: Api) -> None:
    # Lamp and bulb are all its neighbours by views, and known already; the rug shares the parent of their category.
    [rug] = only(shop, "session", visitor_id="v15")
    assert (rug["item_id"], rug["reason"]) == (
        "rug", {"code": "similar_content", "count": 0, "because_of": "bulb", "text": "Resembles bulb"}
    )  # fmt: skip
    assert {item["item_id"] for item in only(shop, "session", visitor_id="v3")} == {"cup", "jam", "tea"}


def test_for_you_follows_the_visitors_history(shop: Api) -> None:
    items = only(shop, "for_you", visitor_id="v1")
    assert {item["item_id"] for item in items} == {"jam", "tea", "pot"}  # not mug and cup, which v1 has seen
    assert {item["reason"]["because_of"] for item in items} == {"mug"}
    assert items[0]["reason"]["code"] == "because_of_history"
    assert "2 shoppers with mug in their history chose this too" in texts(items)


def test_for_you_moves_with_the_next_event(shop: Api) -> None:
    assert only(shop, "for_you", visitor_id="new") == []
    send(shop, {"type": "view", "visitor_id": "new", "item_id": "lamp"})
    # The rug shares the parent of the lamp's category, which says a little where four visits are all there is.
    assert [item["item_id"] for item in only(shop, "for_you", visitor_id="new")] == ["bulb", "rug"]
    send(shop, {"type": "view", "visitor_id": "new", "item_id": "mug"})
    assert [item["item_id"] for item in only(shop, "for_you", visitor_id="new")][:2] == ["bulb", "cup"]


def test_for_you_knows_a_login_on_another_browser(shop: Api) -> None:
    send(shop, {"type": "view", "visitor_id": "phone", "user_id": "u1", "item_id": "lamp"})
    assert only(shop, "for_you", visitor_id="laptop") == []
    assert [item["item_id"] for item in only(shop, "for_you", visitor_id="laptop", user_id="u1")] == ["bulb", "rug"]
    assert [item["item_id"] for item in only(shop, "for_you", user_id="u1")] == ["bulb", "rug"]


def test_trending_is_what_is_looked_at_now(shop: Api) -> None:
    items = only(shop, "trending")
    assert [(item["item_id"], item["reason"]["count"]) for item in items[:2]] == [
        ("bulb", 3),
        ("lamp", 3),
    ]  # 4 / 2^(1/3)
    assert items[0]["score"] == pytest.approx(1, abs=1e-3)


def test_trending_moves_with_the_next_event(shop: Api) -> None:
    send(shop, {"type": "add_to_cart", "visitor_id": "new", "item_id": "rug"})
    send(shop, {"type": "purchase", "visitor_id": "new2", "order_id": "o", "items": [{"item_id": "rug", "price": 1}]})
    first = only(shop, "trending")[0]
    assert (first["item_id"], first["reason"]["count"]) == ("rug", 8)
    assert first["reason"]["text"] == "Lately as much interest as 8 views of this moment"


def test_recently_viewed_is_what_was_looked_at_newest_first(shop: Api) -> None:
    for item in ("mug", "cup", "pot"):
        send(shop, {"type": "view", "visitor_id": "new", "item_id": item})
    send(shop, {"type": "click", "visitor_id": "new", "item_id": "mug"})
    send(shop, {"type": "add_to_cart", "visitor_id": "new", "item_id": "lamp"})
    send(shop, {"type": "view", "visitor_id": "new", "item_id": "not in the catalogue"})
    send(shop, {"type": "purchase", "visitor_id": "new", "order_id": "o", "items": [{"item_id": "pot", "price": 1}]})
    assert [item["item_id"] for item in only(shop, "recently_viewed", visitor_id="new")] == [
        "mug",
        "pot",
        "cup",
        "lamp",
    ]
    at_hand = only(shop, "recently_viewed", visitor_id="new", item_id="mug", exclude="cup")
    assert [item["item_id"] for item in at_hand] == ["pot", "lamp"]
    assert only(shop, "recently_viewed") == []


def test_an_earlier_strategy_takes_nothing_from_recently_viewed(shop: Api) -> None:
    """The neighbours of what was viewed hold what was viewed as well: hidden there, shown here."""
    shop.post("placements", {"key": "both", "name": "Both", "cascade": ["for_you", "recently_viewed"], "limit": 20})
    notice(shop)
    answer = slate(shop, placement="both", visitor_id="v1")
    assert by(answer, "recently_viewed") == ["cup", "mug"]
    assert len(ids(answer)) == len(set(ids(answer)))


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"recently_viewed", "buy_again"}))
def test_what_was_bought_is_not_recommended_again(shop: Api, strategy: str) -> None:
    """Though the history has moved on since: twenty other things were looked at."""
    asked = {"item_id": "mug", "session_items": ["lamp"], "visitor_id": "v3"}
    before = [item["item_id"] for item in only(shop, strategy, **asked)]
    lines = [{"item_id": item, "price": 1} for item in before]
    send(shop, {"type": "purchase", "visitor_id": "v3", "order_id": "o", "items": lines})
    send(shop, *({"type": "view", "visitor_id": "v3", "item_id": f"other{n}"} for n in range(20)))
    assert not set(before) & {item["item_id"] for item in slate(shop, strategy=strategy, limit=20, **asked)["items"]}
    assert set(before) & set(ids(slate(shop, strategy="popular", limit=20)))  # to others they still are


def test_before_any_training_what_needs_no_model_answers(filled: Api) -> None:
    home = slate(filled, placement="home", visitor_id="v1")
    assert (home["model_version"], ids(home)[:2]) == (None, ["bulb", "lamp"])
    assert set(by(home, "trending")) | set(by(home, "new")) == set(ids(home))
    assert ids(slate(filled, strategy="recently_viewed", visitor_id="v1"))[:2] == ["cup", "mug"]
    related = slate(filled, placement="pdp-bought-together", item_id="mug")
    assert set(by(related, "new")) == set(ids(related)) == {item["item_id"] for item in ITEMS} - {"mug"}


def test_a_login_brings_the_browsers_past_along(shop: Api) -> None:
    send(shop, {"type": "view", "visitor_id": "phone", "item_id": "lamp"})
    send(shop, {"type": "login", "visitor_id": "phone", "user_id": "u1"})
    send(shop, {"type": "view", "visitor_id": "phone", "item_id": "rug"})
    for who in ({"user_id": "u1"}, {"visitor_id": "phone"}, {"visitor_id": "laptop", "user_id": "u1"}):
        assert [item["item_id"] for item in only(shop, "recently_viewed", **who)] == ["rug", "lamp"]
    send(shop, {"type": "view", "visitor_id": "laptop", "user_id": "u1", "item_id": "mug"})
    assert [item["item_id"] for item in only(shop, "recently_viewed", visitor_id="phone")] == ["mug", "rug", "lamp"]


def test_popular_counts_what_shoppers_did(shop: Api) -> None:
    """A view is one, a purchase five: tea 20, mug 4 + 10, cup 11, pot 1 + 10, jam 10, bulb and lamp 4."""
    items = only(shop, "popular")
    assert [item["item_id"] for item in items] == ["tea", "mug", "cup", "pot", "jam", "bulb", "lamp"]
    scores = [item["score"] for item in items]
    assert scores == pytest.approx([1, 0.7, 0.55, 0.55, 0.5, 0.2, 0.2], abs=1e-3)
    assert {item["item_id"]: item["reason"]["count"] for item in items}["mug"] == 6
    assert "because_of" not in items[0]["reason"]


def test_one_visitor_alone_makes_nothing_popular(shop: Api) -> None:
    """Beyond ten points a visitor counts no further; jam has two buyers and is worth ten."""
    jam = next(item for item in only(shop, "popular") if item["item_id"] == "jam")
    assert jam["reason"]["count"] == 2


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"buy_again"}))
def test_every_strategy_shows_products_with_evidence(shop: Api, strategy: str) -> None:
    items = only(shop, strategy, item_id="mug", visitor_id="v3", session_items=["lamp"])
    assert items[0]["reason"]["code"] == STRATEGIES[strategy].reason
    for item in items:
        assert item["product"]["item_id"] == item["item_id"]
        assert item["product"] == shop.get(f"catalog/items/{item['item_id']}").json
        assert item["reason"]["code"] in STRATEGIES[strategy].reasons
        assert item["reason"]["count"] > 0 or item["reason"]["code"] in {"new", "similar_content"}
        assert item["score"] > 0
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)


def test_the_list_of_strategies_names_them_all(shop: Api) -> None:
    listed = shop.get("strategies").json
    assert [strategy["key"] for strategy in listed["results"]] == list(STRATEGIES)
    assert {each["key"] for each in listed["results"] if not each["needs_model"]} == {
        "trending", "new", "recently_viewed",
    }  # fmt: skip
    assert (listed["next"], listed["previous"]) == (None, None)


def test_by_names_sources(shop: Api) -> None:
    answer = slate(shop, strategy="trending", limit=20)
    assert by(answer, "trending") + by(answer, "popular") + by(answer, "new") == ids(answer)
