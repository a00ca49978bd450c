import re
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from recomengine.demo import home_goods
from recomengine.demo.shoppers import Catalogue, simulate

NOW = datetime(2026, 11, 23, 10, 20, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def events():
    return list(home_goods.events(NOW))


@pytest.fixture(scope="module")
def items():
    return {item["item_id"]: item for item in home_goods.items(NOW)}


@pytest.fixture(scope="module")
def sessions(events):
    by_session = defaultdict(list)
    for event in events:
        by_session[event["session_id"]].append(event)
    return by_session


def moment(event):
    return datetime.fromisoformat(event["occurred_at"])


def item_ids(event):
    return [line["item_id"] for line in event["items"]]


def test_the_catalogue_is_the_whole_source():
    items = home_goods.items()
    assert len({item["item_id"] for item in items}) == len(items) == 2_465
    assert len({item["categories"][0] for item in items}) == 85
    assert Counter(item["categories"][0] for item in items)["Furniture > Chairs"] == 72
    assert sum(item["attributes"].get("gender_affinity") == "F" for item in items) == 431
    assert sum("promoted" in item["attributes"] for item in items) == 609
    assert all("published_at" not in item for item in items)


def test_items_have_the_shape_of_the_contract(items):
    fields = {"item_id", "title", "description", "price", "currency", "availability", "categories", "attributes"}
    for item in items.values():
        assert item.keys() == fields | {"published_at"}
        assert re.fullmatch(r"\d+\.\d\d", item["price"])
        assert (item["currency"], item["availability"]) == ("USD", "in_stock")
        assert None not in item["attributes"].values()


def test_a_known_item(items):
    item = items["6579c22f-be2b-444c-a52b-0116dd82df6c"]
    assert item["title"] == "Adventure-Ready Expedition Backpack"
    assert (item["price"], item["categories"]) == ("129.99", ["Accessories > Backpack"])
    assert item["attributes"] == {"style": "backpack", "gender_affinity": "F"}


def test_some_items_are_new_and_none_is_seen_before_its_launch(items, events):
    published = {item_id: datetime.fromisoformat(item["published_at"]) for item_id, item in items.items()}
    assert max(published.values()) <= NOW
    fresh = [launch for launch in published.values() if launch > NOW - timedelta(days=60)]
    assert 150 < len(fresh) < 250
    assert all(published[item_id] <= moment(event) for event in events for item_id in item_ids(event))


def test_size_and_funnel(events, sessions):
    assert 19_500 < len(sessions) < 20_500
    assert 110_000 < len(events) < 130_000
    kinds = Counter(event["type"] for event in events)
    assert kinds.keys() == {"view", "click", "add_to_cart", "remove_from_cart", "purchase"}
    assert kinds["view"] > kinds["click"] > kinds["add_to_cart"] > kinds["purchase"] > kinds["remove_from_cart"]
    assert 0.025 < kinds["purchase"] / len(sessions) < 0.035


def test_events_have_the_shape_of_the_contract(events, items):
    always = {"event_id", "type", "occurred_at", "visitor_id", "session_id", "currency", "items", "properties"}
    for event in events:
        assert always <= event.keys() <= always | {"user_id", "order_id"}
        assert ("order_id" in event) == (event["type"] == "purchase")
        assert (event["currency"], event["properties"]) == ("USD", {"simulated": True})
        assert event["visitor_id"].startswith("sim-")
        assert event["items"]
        for line in event["items"]:
            assert line.keys() == {"item_id", "price", "quantity"}
            assert line["price"] == items[line["item_id"]]["price"]
            assert type(line["quantity"]) is int
            assert line["quantity"] >= 1
    assert len({str(uuid.UUID(event["event_id"])) for event in events}) == len(events)
    orders = [event["order_id"] for event in events if "order_id" in event]
    assert len(set(orders)) == len(orders)


def test_events_lie_in_the_sixty_days_before_now_in_order(events):
    moments = [moment(event) for event in events]
    assert moments == sorted(moments)
    assert NOW - timedelta(days=60) <= moments[0] < NOW - timedelta(days=59)
    assert NOW - timedelta(days=1) < moments[-1] <= NOW


def test_a_session_is_one_visit_of_one_visitor(sessions):
    ends = defaultdict(list)
    for session in sessions.values():
        assert len({event["visitor_id"] for event in session}) == 1
        assert len({event.get("user_id") for event in session}) == 1
        assert all(moment(b) - moment(a) < timedelta(minutes=30) for a, b in pairwise(session))
        ends[session[0]["visitor_id"]].append((moment(session[0]), moment(session[-1])))
    for visits in ends.values():
        assert all(later[0] - earlier[1] > timedelta(minutes=30) for earlier, later in pairwise(sorted(visits)))


def test_what_is_bought_was_viewed_and_is_still_in_the_cart(sessions):
    for session in sessions.values():
        viewed, cart = set(), {}
        for event in session:
            lines = {line["item_id"]: line["quantity"] for line in event["items"]}
            if event["type"] == "view":
                viewed |= lines.keys()
            elif event["type"] == "add_to_cart":
                assert lines.keys() <= viewed
                assert not lines.keys() & cart.keys()
                cart |= lines
            elif event["type"] == "remove_from_cart":
                assert lines.items() <= cart.items()
                cart = {item_id: quantity for item_id, quantity in cart.items() if item_id not in lines}
            elif event["type"] == "purchase":
                assert event is session[-1]
                assert lines == cart


def test_a_click_leads_to_a_view_of_the_same_item(sessions):
    for session in sessions.values():
        for position, event in enumerate(session):
            if event["type"] == "click":
                rest = [later for later in session[position:] if later["type"] == "view"]
                assert item_ids(rest[0]) == item_ids(event)


def test_demand_is_heavy_tailed_but_reaches_the_tail(events):
    views = Counter(item_ids(event)[0] for event in events if event["type"] == "view")
    ranked = [count for _, count in views.most_common()]
    assert 0.35 < sum(ranked[:246]) / sum(ranked) < 0.65
    assert len(views) > 2_300


def test_sessions_vary_in_length_and_visitors_return(sessions):
    lengths = [sum(event["type"] == "view" for event in session) for session in sessions.values()]
    assert 0.2 < sum(length == 1 for length in lengths) / len(lengths) < 0.4
    assert 3.5 < sum(lengths) / len(lengths) < 5
    assert max(lengths) == 40
    visits = Counter(session[0]["visitor_id"] for session in sessions.values())
    assert 0.5 < sum(count for count in visits.values() if count > 1) / len(sessions) < 0.75


def test_days_have_a_rhythm(sessions):
    starts = [moment(session[0]) for session in sessions.values()]
    hours = Counter(start.hour for start in starts)
    assert hours[20] > 3 * hours[7] > 3 * hours[3]
    days = Counter(start.weekday() for start in starts)
    assert days[6] > days[3]


def test_sessions_and_shoppers_keep_to_a_taste(sessions, items):
    def leaves(session):
        return [items[item_ids(event)[0]]["categories"][0] for event in session if event["type"] == "view"]

    steps = [pair for session in sessions.values() for pair in pairwise(leaves(session))]
    assert sum(one == other for one, other in steps) / len(steps) > 0.6
    by_visitor = defaultdict(list)
    for session in sessions.values():
        by_visitor[session[0]["visitor_id"]].append(leaves(session)[0])
    returns = [pair for visits in by_visitor.values() for pair in pairwise(visits)]
    assert sum(one == other for one, other in returns) / len(returns) > 0.35


@pytest.mark.parametrize(
    "pair",
    [("Furniture > Chairs", "Furniture > Tables"), ("Housewares > Bowls", "Housewares > Kitchen")],
)
def test_complementary_categories_are_bought_together(events, items, pair):
    orders = [
        {items[item_id]["categories"][0] for item_id in item_ids(event)}
        for event in events
        if event["type"] == "purchase"
    ]
    one, other = (sum(leaf in order for order in orders) for leaf in pair)
    both = sum(set(pair) <= order for order in orders)
    assert both * len(orders) > 2 * one * other


def test_the_same_seed_and_moment_give_the_same_events(events):
    assert list(home_goods.events(NOW)) == events


def test_another_seed_gives_other_events(events):
    other = {event["event_id"] for event in home_goods.events(NOW, seed=8)}
    assert not other & {event["event_id"] for event in events}


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        next(home_goods.events(datetime(2026, 11, 23)))


def test_a_leaf_of_only_new_items_is_refused():
    end = NOW.replace(tzinfo=None)
    ones = np.ones(1, np.int64)
    launched_now = ones * int(NOW.timestamp())
    catalogue = Catalogue(("toys/kites",), ones * 0, np.ones(1), ones * 0, launched_now)
    with pytest.raises(ValueError, match="launched before"):
        simulate(catalogue, end, 1)
