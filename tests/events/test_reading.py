"""Events in bulk: what training reads is what was sent, to the character."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import ingest, reading, store
from events.types import EventIn, LineIn
from recomengine.lib.postgres import connect
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import PURCHASE, VIEW, ago, send

NOW = datetime.now(UTC)
EVER = NOW - timedelta(days=400)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)


def test_each_line_is_an_interaction(api_a: Api, tenant_a: TenantRef) -> None:
    moment = (NOW - timedelta(days=9)).replace(microsecond=123)
    local = moment.astimezone(timezone(timedelta(hours=5, minutes=45)))
    send(api_a, PURCHASE | {"session_id": "s1", "occurred_at": local.isoformat()}, VIEW)
    lines = reading.interactions(tenant_a, EVER).sort_by([("occurred_at", "ascending"), ("quantity", "descending")])
    first, second, third = lines.to_pylist()  # an order's lines are of one instant, and come in no order
    assert first == {
        "visitor": "v1", "session": "s1", "type": "purchase", "item_id": "mug", "order_id": "o1", "quantity": 2,
        "occurred_at": moment,
    }  # fmt: skip
    assert (second["item_id"], second["quantity"]) == ("cup", 1)
    assert (third["session"], third["order_id"]) == (None, None)


def test_a_login_stands_for_its_visitors_and_slates_are_no_interactions(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW | {"user_id": "u1"}, {"type": "impression", "visitor_id": "v1"})
    assert reading.interactions(tenant_a, EVER)["visitor"].to_pylist() == ["u1"]


def test_nothing_older_than_asked_for_and_nothing_of_another_shop(
    api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    send(api_a, VIEW | {"occurred_at": ago(days=10)}, VIEW | {"occurred_at": ago(days=1), "item_id": "cup"})
    send(api_b, VIEW)
    assert reading.interactions(tenant_a, NOW - timedelta(days=5))["item_id"].to_pylist() == ["cup"]
    assert reading.any_since(tenant_a, None)
    assert not reading.any_since(tenant_a, datetime.now(UTC))


def test_a_shop_without_events_has_an_empty_table(tenant_a: TenantRef) -> None:
    assert reading.interactions(tenant_a, EVER).equals(reading.INTERACTIONS.empty_table())
    assert not reading.any_since(tenant_a, None)


def owner(visitor: str | None, events: list[EventIn]) -> str | None:
    """Whose a browser's anonymous events are: the one user's who was seen with it, else its own."""
    users = {event.user_id for event in events if event.visitor_id == visitor != event.user_id and event.user_id}
    return users.pop() if len(users) == 1 else visitor


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            EventIn, type=st.just("view"), visitor_id=IDS, user_id=st.none() | IDS, session_id=st.none() | IDS,
            order_id=st.none() | IDS,
            occurred_at=st.timedeltas(timedelta(), timedelta(days=300)).map(lambda age: NOW - age),
            items=st.lists(st.builds(LineIn, item_id=IDS, quantity=st.integers(1, 10_000)), min_size=1, max_size=3),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_ids_come_back_as_they_were(tenant_a: TenantRef, events: list[EventIn]) -> None:
    context = ingest.Context(NOW, "EUR")
    with connect() as connection:
        connection.execute(f"DELETE FROM {tenant_a.schema}.events_event")
        connection.commit()
        rows = [ingest.to_rows(event, event.event_id or uuid4(), context) for event in events]
        store.write(connection, tenant_a.schema, rows)
    sent = [
        (
            who.user_id or owner(who.visitor_id, events),
            who.session_id,
            line.item_id,
            who.occurred_at,
            who.order_id,
            line.quantity,
        )
        for who in events
        for line in who.items
    ]
    read = reading.interactions(tenant_a, EVER).to_pylist()
    names = ("visitor", "session", "item_id", "occurred_at", "order_id", "quantity")
    assert sorted(sent, key=repr) == sorted((tuple(row[name] for name in names) for row in read), key=repr)


@pytest.mark.parametrize(
    "odd", [r"\N", '"', '""', ",", "NULL", "NaN", "null", "#N/A", "007", "1e5", "true", "'", r"\\", "a b"]
)
def test_ids_that_csv_readers_stumble_over(api_a: Api, tenant_a: TenantRef, odd: str) -> None:
    send(api_a, VIEW | {"visitor_id": odd, "item_id": odd, "session_id": odd, "order_id": odd})
    [row] = reading.interactions(tenant_a, EVER).to_pylist()
    assert [row[name] for name in ("visitor", "item_id", "session", "order_id")] == [odd] * 4
