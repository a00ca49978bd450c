import re
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import groupby, islice
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomengine.demo import gift_shop

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LAST_ORDER = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)


@pytest.fixture(scope="module")
def lines():
    return gift_shop.lines().to_pandas()


@pytest.fixture(scope="module")
def orders():
    return list(gift_shop.orders(NOW))


@pytest.fixture(scope="module")
def items():
    return gift_shop.items(NOW)


def test_lines_are_the_cleaned_data(lines):
    assert gift_shop.lines().schema.remove_metadata() == gift_shop.LINES_SCHEMA
    assert len(lines) == 527_661
    assert lines["item_id"].nunique() == 3_794
    assert lines["invoice"].nunique() == 19_770
    assert lines["customer"].nunique() == 4_334
    assert lines["country"].nunique() == 38
    assert round((lines["quantity"] * lines["price"]).sum(), 2) == 10_270_017.73
    assert lines["invoice_date"].max() == LAST_ORDER.replace(tzinfo=None)


def test_only_products_that_were_paid_for_are_left(lines):
    assert (lines["quantity"] > 0).all()
    assert (lines["price"] > 0).all()
    assert lines["invoice"].str.fullmatch(r"\d{6}").all()
    assert lines["item_id"].str.fullmatch(r"\d{5}[A-Z]*|DCGS\w+").all()
    assert not lines["description"].str.contains("POSTAGE|Carriage$|PACKING CHARGE|Voucher", regex=True).any()
    assert (lines["description"] == lines["description"].str.strip()).all()


def test_orders_without_products_are_separate_from_the_orders(lines):
    headers = gift_shop.orders_without_products().to_pandas()
    assert len(headers) == headers["invoice"].nunique() == 189
    assert not headers["invoice"].isin(lines["invoice"]).any()


@pytest.mark.parametrize(
    ("antecedent", "consequent", "published"),
    [
        ("ALARM CLOCK BAKELIKE RED", "ALARM CLOCK BAKELIKE GREEN", (0.079082, 0.837838, 8.642959)),
        ("SET/6 RED SPOTTY PAPER PLATES", "SET/6 RED SPOTTY PAPER CUPS", (0.122449, 0.96, 6.968889)),
    ],
)
def test_published_associations_for_france_are_reproduced(lines, antecedent, consequent, published):
    # mlxtend's documentation of association_rules works on these baskets.
    french = lines[lines["country"] == "France"]
    bare = (gift_shop.orders_without_products().to_pandas()["country"] == "France").sum()
    baskets = french["invoice"].nunique() + bare
    having = french.groupby("description")["invoice"].agg(set)
    both = len(having[antecedent] & having[consequent])
    assert baskets == 392
    confidence = both / len(having[antecedent])
    found = (both / baskets, confidence, confidence / (len(having[consequent]) / baskets))
    assert found == pytest.approx(published, abs=5e-7)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_shift_keeps_weekday_and_hour_and_ends_within_a_week_before_now(now):
    moved = gift_shop.shift(now)
    last = LAST_ORDER + moved
    assert now - timedelta(days=7) < last <= now
    assert moved % timedelta(weeks=1) == timedelta(0)
    assert (last.weekday(), last.time()) == (LAST_ORDER.weekday(), LAST_ORDER.time())


def test_shift_compares_moments_whatever_the_zone():
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert gift_shop.shift(tokyo) == gift_shop.shift(NOW)
    with pytest.raises(ValueError, match="time zone"):
        gift_shop.shift(datetime(2026, 11, 23))


def test_one_purchase_per_invoice_oldest_first_and_none_in_the_future(orders, lines):
    assert {order["type"] for order in orders} == {"purchase"}
    assert len({order["order_id"] for order in orders}) == len(orders) == 19_770
    moments = [datetime.fromisoformat(order["occurred_at"]) for order in orders]
    assert moments == sorted(moments)
    assert NOW - timedelta(days=7) < moments[-1] <= NOW
    assert all(order["occurred_at"].endswith("Z") for order in orders)
    shifted = lines["invoice_date"].min().tz_localize(UTC) + gift_shop.shift(NOW)
    assert moments[0] == shifted


def test_orders_have_the_shape_of_the_contract(orders):
    allowed = {
        "event_id",
        "type",
        "occurred_at",
        "visitor_id",
        "user_id",
        "order_id",
        "currency",
        "items",
        "properties",
    }
    for order in orders:
        assert allowed - {"user_id"} <= order.keys() <= allowed
        assert order["currency"] == "GBP"
        assert order["properties"].keys() == {"country"}
        for line in order["items"]:
            assert line.keys() == {"item_id", "quantity", "price"}
            assert type(line["quantity"]) is int
            assert re.fullmatch(r"\d+\.\d\d", line["price"])
    assert len({str(uuid.UUID(order["event_id"])) for order in orders}) == len(orders)


def test_customers_are_visitors_and_users_and_unknown_ones_are_guests(orders):
    known = [order for order in orders if "user_id" in order]
    assert len({order["user_id"] for order in known}) == 4_334
    assert all(order["visitor_id"] == f"c-{order['user_id']}" for order in known)
    guests = [order for order in orders if "user_id" not in order]
    assert all(order["visitor_id"] == f"guest-{order['order_id']}" for order in guests)
    assert len(guests) == 1_371


def test_each_order_holds_its_own_invoice(orders, lines):
    bought = {
        order["order_id"]: Counter(
            {
                item_id: sum(line["quantity"] for line in group)
                for item_id, group in groupby(order["items"], key=itemgetter("item_id"))
            }
        )
        for order in orders
    }
    sold = lines.groupby(["invoice", "item_id"])["quantity"].sum()
    assert {(invoice, *pair) for invoice, basket in bought.items() for pair in basket.items()} == {
        (invoice, item_id, quantity) for (invoice, item_id), quantity in sold.items()
    }
    assert max(len(order["items"]) for order in orders) == 1_112


def test_lines_of_an_item_at_one_price_are_merged_and_no_penny_is_lost(orders):
    for order in orders:
        seen = Counter((line["item_id"], line["price"]) for line in order["items"])
        assert max(seen.values()) == 1
    bought = [line for order in orders for line in order["items"]]
    assert len(bought) == 517_639
    assert sum(line["quantity"] * Decimal(line["price"]) for line in bought) == Decimal("10270017.73")


def test_orders_are_the_same_every_time_and_keep_their_ids_when_moved(orders):
    assert list(islice(gift_shop.orders(NOW), 500)) == orders[:500]
    later = list(islice(gift_shop.orders(NOW + timedelta(weeks=3)), 500))
    assert [order["event_id"] for order in later] == [order["event_id"] for order in orders[:500]]
    assert later[0]["occurred_at"] != orders[0]["occurred_at"]


def test_items_have_the_shape_of_the_contract(items, lines):
    assert [item["item_id"] for item in items] == sorted(lines["item_id"].unique())
    for item in items:
        assert item["title"]
        assert re.fullmatch(r"\d+\.\d\d", item["price"])
        assert Decimal(item["price"]) > 0
        assert (item["currency"], item["availability"], item["categories"]) == ("GBP", "in_stock", [])


def test_an_item_costs_what_it_was_sold_for(items, lines):
    charged = lines.groupby("item_id")["price"].agg(set)
    assert all(float(item["price"]) in charged[item["item_id"]] for item in items)


def test_an_item_is_published_with_its_first_sale(items, orders):
    first = {}
    for order in orders:
        for line in order["items"]:
            first.setdefault(line["item_id"], order["occurred_at"])
    published = {item["item_id"]: item["published_at"] for item in items}
    # An order's lines may be a minute apart, and the order counts from its first.
    assert all(first[item_id] <= moment for item_id, moment in published.items())
    assert sum(first[item_id] == moment for item_id, moment in published.items()) > 3_700
    assert all("published_at" not in item for item in gift_shop.items())


def test_known_items(items):
    titles = {item["item_id"]: (item["title"], item["price"]) for item in items}
    assert titles["85123A"] == ("White Hanging Heart T-Light Holder", "2.95")
    assert titles["21086"][0] == "Set/6 Red Spotty Paper Cups"
    assert titles["22727"] == ("Alarm Clock Bakelike Red", "3.75")


@pytest.mark.parametrize(
    ("description", "title"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White Hanging Heart T-Light Holder"),
        ("SET/6 RED SPOTTY PAPER CUPS", "Set/6 Red Spotty Paper Cups"),
        ("3 TRADITIONAl BISCUIT CUTTERS  SET", "3 Traditional Biscuit Cutters Set"),
        ("BAG 125g SWIRLY MARBLES", "Bag 125g Swirly Marbles"),
        ("POLYESTER FILLER PAD 30CMx30CM", "Polyester Filler Pad 30cmx30cm"),
        ("CHILDREN'S SPACEBOY MUG", "Children's Spaceboy Mug"),
        ("RETRO PLASTIC 70'S TRAY", "Retro Plastic 70's Tray"),
        ("*USB Office Mirror Ball", "USB Office Mirror Ball"),
        ("QUEEN OF THE SKIES PASSPORT COVER", "Queen of the Skies Passport Cover"),
        ("3D SHEET OF DOG STICKERS", "3D Sheet of Dog Stickers"),
        ("THE KING GIFT BAG 25x24x12cm", "The King Gift Bag 25x24x12cm"),
    ],
)
def test_titles_are_readable(description, title):
    assert gift_shop.title_case(description) == title
    assert gift_shop.title_case(title) == title
