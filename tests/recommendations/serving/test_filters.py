"""Filters over a real catalogue: of what matches and may be shown a slate holds as many as it has room for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import cards, items
from catalog.filters import parse
from catalog.matching import Facts, facts_of, matcher
from catalog.models import Item
from catalog.types import ItemIn
from recommendations import catalogue_search
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.test_filters import generated_filters, generated_items
from tests.events.test_posting import send
from tests.recommendations.conftest import ids, notice
from tests.recommendations.serving.settings import placement

NUMBERS = msgspec.json.Encoder(decimal_format="number")
PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


@st.composite
def catalogues(draw: st.DrawFn) -> list[ItemIn]:
    drawn = draw(st.lists(generated_items, min_size=1, max_size=40))
    for number, item in enumerate(drawn):
        item.item_id = f"i{number}"
        item.availability = draw(st.sampled_from(["in_stock", "in_stock", "preorder", "out_of_stock"]))
        item.expires_at = draw(st.sampled_from([None, None, PAST, FUTURE]))
        item.published_at = draw(st.sampled_from([None, None, PAST, FUTURE]))
        item.group_id = draw(st.sampled_from([None, None, "g", "h"]))
    return drawn


class Question(msgspec.Struct):
    filter: Any
    limit: int
    exclude: list[str]
    session_items: list[str]
    known: bool


SOME = st.lists(st.integers(0, 45).map(lambda number: f"i{number}"), max_size=8, unique=True)
QUESTIONS = st.builds(Question, generated_filters, st.integers(1, 30), SOME, SOME, st.booleans())


@pytest.fixture
def fresh(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Shop A, whose catalogue is asked anew each time, with placements with and without variants side by side."""
    monkeypatch.setattr(catalogue_search, "KEPT", 0.0)
    placement(api_a, tenant_a, "one", "for_you", "similar", "popular", "new", one_per_group=True)
    placement(api_a, tenant_a, "all", "recently_viewed", "trending", "new", one_per_group=False)
    seen = ["i0", "i3", "i7"]
    send(api_a, *({"type": "view", "visitor_id": "v1", "item_id": item} for item in seen))
    order = {"type": "purchase", "visitor_id": "v1", "order_id": "o1", "items": [{"item_id": "i5", "price": 1}]}
    send(api_a, order)
    return api_a


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(catalogues(), st.lists(QUESTIONS, min_size=6, max_size=6))
def test_what_matches_is_shown_up_to_the_limit(
    fresh: Api, tenant_a: TenantRef, catalogue: list[ItemIn], questions: list[Question]
) -> None:
    shop = stock(tenant_a, catalogue)
    notice(fresh)
    for question in questions:
        for key in ("one", "all"):
            assert_full(fresh, key, question, shop)


class Stocked(NamedTuple):
    """The items that may be shown, and the groups of all."""

    products: Sequence[Facts]
    groups: dict[str, str]


def stock(tenant: TenantRef, catalogue: Sequence[ItemIn]) -> Stocked:
    """Have the shop exactly these items."""
    with tenancy.use(tenant):
        Item.objects.all().delete()
    items.write(tenant, catalogue)
    cards.rebuild(tenant)
    with tenancy.use(tenant):
        stored = [facts_of(msgspec.json.encode(cards.product(item))) for item in Item.objects.all()]
    now = datetime.now(UTC)
    showable = [
        facts
        for facts in stored
        if facts.availability != "out_of_stock"
        and (facts.published_at is None or facts.published_at <= now)
        and (facts.expires_at is None or now < facts.expires_at)
    ]
    return Stocked(showable, {facts.item_id: facts.group_id for facts in stored if facts.group_id})


def assert_full(api: Api, key: str, question: Question, shop: Stocked) -> None:
    body = {"placement": key, **msgspec.json.decode(NUMBERS.encode(question))}
    body |= {"visitor_id": "v1"} if body.pop("known") else {}
    answer = api.post("recommendations", body)
    assert answer.status == 200, answer.body
    test, now = matcher(parse(question.filter)), datetime.now(UTC)
    matching = {facts.item_id for facts in shop.products if test(facts, now)} - {*question.exclude}
    shown = ids(answer.json)
    assert set(shown) <= matching
    assert len(shown) == min(possible(key, question, shop, matching), question.limit), (key, question, shown)
    assert ("empty_reason" in answer.json) == (not shown)


def possible(key: str, question: Question, shop: Stocked, matching: set[str]) -> int:
    """How many of what matches can stand beside each other.

    Before a training nothing reads the history but `recently_viewed`, which shows what is in it.
    """
    known = {*question.session_items, *(["i5"] if question.known else [])}
    if key == "all":
        return len(matching - (known - {"i0", "i3", "i5", "i7"} if question.known else known))
    seen = {shop.groups.get(item) for item in question.session_items} - {None}
    groups = {shop.groups.get(item, item) for item in matching - known}
    return len(groups - seen)


def test_hundreds_of_exclusions_do_not_hide_what_matches(api_a: Api, tenant_a: TenantRef) -> None:
    """The most popular that match are all excluded, shown before or variants of one thing; the last one is found."""
    placement(api_a, tenant_a, "plain", "new")
    rows = [
        {"item_id": f"i{n}", "title": "x", "brand": "Acme", "group_id": "g" if n >= 3 else None} for n in range(720)
    ]
    for start in range(0, len(rows), 400):
        api_a.post("catalog/items/batch", {"items": rows[start : start + 400]})
    notice(api_a)
    asked = {"placement": "plain", "filter": {"field": "brand", "op": "eq", "value": "Acme"}}
    shown = ids(api_a.post("recommendations", asked).json)
    assert len(shown) == 4
    assert set(shown) > {"i0", "i1", "i2"}
    [variant] = set(shown) - {"i0", "i1", "i2"}
    fewer = ids(api_a.post("recommendations", asked | {"exclude": ["i2", variant]}).json)
    assert len(fewer) == 3
    assert set(fewer) > {"i0", "i1"}
