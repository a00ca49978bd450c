"""The language of filters: what is refused and where, and that PostgreSQL and Python agree on what passes."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import cards, conditions, filters, items
from catalog.filters import All, Condition, Not, Op, parse, parse_text
from catalog.matching import facts_of, matcher
from catalog.models import Item
from catalog.types import ItemIn
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.types import TenantRef

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
MOMENTS = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (11, 12, 13)]


def refused(data: Any) -> tuple[str, str]:
    with pytest.raises(DomainError) as caught:
        parse(data, "/filter")
    (error,) = caught.value.errors
    return error["pointer"], error["code"]


def test_a_filter_is_read_into_a_tree() -> None:
    assert parse_text('{"all": [{"field": "price", "op": "lte", "value": 50.10}, {"not": {"any": []}}]}') == All(
        (Condition("price", Op.LTE, Decimal("50.10")), Not(filters.AnyOf(())))
    )
    assert parse({"field": "category", "op": "in", "value": ["A>B "]}) == Condition("category", Op.IN, ("A > B",))
    assert parse({"field": "brand", "op": "exists"}) == Condition("brand", Op.EXISTS, True)
    moment = parse({"field": "published_at", "op": "lt", "value": "2026-11-24T13:00:00+01:00"})
    assert moment == Condition("published_at", Op.LT, AT)


@pytest.mark.parametrize(
    ("data", "pointer", "code"),
    [
        (3, "/filter", "invalid"),
        ({}, "/filter", "invalid"),
        ({"all": [], "any": []}, "/filter", "invalid"),
        ({"all": {}}, "/filter/all", "invalid"),
        ({"all": [{"not": 1}]}, "/filter/all/0/not", "invalid"),
        ({"field": "prize", "op": "eq", "value": 1}, "/filter/field", "unknown_field"),
        ({"field": "attributes.", "op": "eq", "value": 1}, "/filter/field", "unknown_field"),
        ({"field": "brand", "op": "eq", "value": "x", "a/b": 1}, "/filter/a~1b", "unknown_field"),
        ({"field": "brand", "op": "lt", "value": "x"}, "/filter/op", "unknown_operator"),
        ({"field": "brand", "op": ["eq"], "value": "x"}, "/filter/op", "unknown_operator"),
        ({"field": "brand", "op": "eq"}, "/filter/value", "invalid"),
        ({"field": "brand", "op": "eq", "value": "a\x00"}, "/filter/value", "invalid"),
        ({"field": "brand", "op": "in", "value": "x"}, "/filter/value", "invalid"),
        ({"field": "brand", "op": "in", "value": ["x", 1]}, "/filter/value/1", "invalid"),
        ({"field": "brand", "op": "in", "value": ["x"] * 101}, "/filter/value", "invalid"),
        ({"field": "brand", "op": "exists", "value": 1}, "/filter/value", "invalid"),
        ({"field": "price", "op": "between", "value": [1]}, "/filter/value", "invalid"),
        ({"field": "price", "op": "lt", "value": "cheap"}, "/filter/value", "invalid"),
        ({"field": "price", "op": "lt", "value": float("nan")}, "/filter/value", "invalid"),
        ({"field": "price", "op": "lt", "value": "1E+999999"}, "/filter/value", "invalid"),
        ({"field": "price", "op": "lt", "value": True}, "/filter/value", "invalid"),
        ({"field": "attributes.size", "op": "lt", "value": "12"}, "/filter/value", "invalid"),
        ({"field": "attributes.size", "op": "eq", "value": None}, "/filter/value", "invalid"),
        ({"field": "category", "op": "eq", "value": "A > "}, "/filter/value", "invalid"),
        ({"field": "expires_at", "op": "lt", "value": "2026-11-24T13:00:00"}, "/filter/value", "invalid"),
        ({"field": "expires_at", "op": "lt", "value": 5}, "/filter/value", "invalid"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: Any, pointer: str, code: str) -> None:
    assert refused(data) == (pointer, code)


def test_depth_and_size_are_bounded() -> None:
    deep: Any = {"all": []}
    for _ in range(filters.MAX_DEPTH):
        deep = {"not": deep}
    assert refused(deep)[1] == "too_deep"
    one = {"field": "brand", "op": "eq", "value": "x"}
    assert refused({"any": [one] * (filters.MAX_CONDITIONS + 1)}) == (
        f"/filter/any/{filters.MAX_CONDITIONS}",
        "too_many",
    )


@pytest.mark.parametrize("text", ["", "{", '{"a":NaN}', "[" * 100_000, '"\ud800"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(DomainError) as caught:
        parse_text(text, "/filter")
    assert caught.value.errors[0]["pointer"].startswith("/filter")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda data: st.lists(data) | st.dictionaries(
    st.sampled_from(["all", "any", "not", "field", "op", "value"]) | st.text(), data)))  # fmt: skip
def test_any_data_is_a_filter_or_refused(data: Any) -> None:
    with suppress(DomainError):
        parse(data)


TEXTS = ["", "a", "A", "Ab", "ä", "5", "true"]
NUMBERS = [0, 1, 5, -1, 1.5, 5.0, 0.1, 1e22, 10**22, 2**53 + 1]
PATHS = ["A", "A > B", "A > B > C", "B", "AB > C"]
PRICES = [None, Decimal("0"), Decimal("5"), Decimal("9.95"), Decimal("20.0001")]

attributes = st.dictionaries(
    st.sampled_from(["x", "y", "a.b", 'q"\\']),
    st.sampled_from([*TEXTS, *NUMBERS, None, True, False]) | st.lists(st.sampled_from(TEXTS), max_size=2),
    max_size=3,
)
generated_items = st.builds(
    ItemIn,
    item_id=st.sampled_from(["i", "5"]),
    title=st.sampled_from(["Ab", "a", "x%_"]),
    brand=st.sampled_from(TEXTS),
    price=st.sampled_from(PRICES),
    sale_price=st.sampled_from(PRICES),
    sale_starts_at=st.sampled_from([None, *MOMENTS]),
    sale_ends_at=st.sampled_from([None, *MOMENTS]),
    published_at=st.sampled_from([None, *MOMENTS]),
    currency=st.just("EUR"),
    group_id=st.sampled_from([None, "g"]),
    categories=st.lists(st.sampled_from(PATHS), max_size=2),
    attributes=attributes,
)


def values(kind: filters.Kind, op: Op) -> st.SearchStrategy[Any]:
    numbers: st.SearchStrategy[Any] = st.sampled_from([*NUMBERS, Decimal("9.95")])
    if kind == filters.Kind.MONEY:
        return numbers | st.sampled_from(["9.95", "5"])
    if kind == filters.Kind.INSTANT:
        return st.sampled_from(MOMENTS)
    if kind == filters.Kind.PATH:
        return st.sampled_from(PATHS)
    if kind == filters.Kind.ATTRIBUTE and op in (Op.LT, Op.LTE, Op.GT, Op.GTE, Op.BETWEEN):
        return numbers
    texts = st.sampled_from([*TEXTS, "x", "b", "i", "g", "%", "EUR", "in_stock"])
    return texts if kind == filters.Kind.TEXT or op == Op.CONTAINS else texts | numbers | st.booleans()


@st.composite
def generated_conditions(draw: Any) -> Any:
    field = draw(
        st.sampled_from(["attributes.x", "attributes.y", "attributes.a.b", 'attributes.q"\\', *filters.FIELDS])
    )
    op = draw(st.sampled_from(sorted(filters.OPS[filters.kind_of(field)])))
    value = values(filters.kind_of(field), op)
    if op == Op.EXISTS:
        value = st.booleans()
    elif op == Op.BETWEEN:
        value = st.tuples(value, value).map(list)
    elif op in (Op.IN, Op.NOT_IN):
        value = st.lists(value, max_size=3)
    return {"field": field, "op": op, "value": draw(value)}


generated_filters = st.recursive(
    generated_conditions(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(generated_items, st.lists(generated_filters, min_size=20, max_size=20))
def test_postgresql_and_python_agree(tenant_a: TenantRef, item: ItemIn, trees: list[Any]) -> None:
    wanted = [parse(tree) for tree in trees]
    compiled = [conditions.where(each, AT) for each in wanted]
    with tenancy.use(tenant_a), connection.cursor() as cursor:
        Item.objects.all().delete()
        items.write(tenant_a, [item])
        facts = facts_of(msgspec.json.encode(cards.product(Item.objects.get())))
        columns = ", ".join(each.text for each in compiled)
        cursor.execute(f"SELECT {columns} FROM catalog_item", [param for each in compiled for param in each.params])
        answers = cursor.fetchone()
    for tree, each, answer in zip(trees, wanted, answers, strict=True):
        assert matcher(each)(facts, AT) is answer, tree


def test_which_price_holds_is_a_matter_of_the_moment() -> None:
    sale = {"price": "9.95", "sale_price": "5.00", "sale_starts_at": "2026-11-24T12:00:00Z"}
    facts = facts_of(msgspec.json.encode({"item_id": "a", "title": "A", **sale}))
    cheap = matcher(parse({"field": "current_price", "op": "lt", "value": 6}))
    assert cheap(facts, MOMENTS[1])
    assert not cheap(facts, MOMENTS[0])
