"""Events of the past, imported from files: what becomes of the rows, and that nothing is stored twice."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from events.importing import running
from events.types import visitor_key
from recomengine.lib import clock, redis
from tenants import quotas, tenancy
from tenants.models import AuditEntry, Tenant
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import send
from tests.conftest import new_key
from tests.events.conftest import Stored
from tests.events.past import DAY, at, counts, errors, imported, of, table, upload, views

ORDER = {"type": "purchase", "occurred_at": at(), "user_id": "u1", "order_id": "o1"}


def line(item: str, price: object = "2.50", **fields: Any) -> dict[str, Any]:
    return ORDER | {"item_id": item, "price": price, "quantity": "2"} | fields


def test_an_upload_waits_and_then_its_events_are_stored(api_a: Api, tenant_a: TenantRef, stored: Stored) -> None:
    number = upload(api_a, table(*views(range(3))), filename="past.csv")
    assert of(api_a, number)["status"] == "queued"
    running.run_pending(tenant_a)
    done = of(api_a, number)
    assert (done["status"], done["filename"], done["format"], counts(done)) == (
        "completed",
        "past.csv",
        "csv",
        (3, 3, 0, 0),
    )
    assert (done["progress"]["share"], done["error"], done["note"]) == (1.0, None, None)
    assert stored("type", "visitor_id", "item_id")[2] == ("view", "v2", "i2")
    assert [each["id"] for each in api_a.get("events/imports").json["results"]] == [number]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_events_as_the_api_takes_them(
    api_a: Api, tenant_a: TenantRef, stored: Stored, packed: bool
) -> None:
    event = {
        "type": "purchase", "occurred_at": at(), "visitor_id": "v1", "order_id": 17, "currency": "USD",
        "items": [{"item_id": "mug", "quantity": 2, "price": 9.95}, {"item_id": "cup", "price": "4"}],
        "properties": {"coupon": "X"}, "consent": True,
    }  # fmt: skip
    content = json.dumps(event).encode() + b"\n"
    done = imported(api_a, tenant_a, gzip.compress(content) if packed else content)
    assert (done["format"], counts(done)) == ("jsonl", (1, 1, 0, 0))
    names = ("line", "order_id", "item_id", "quantity", "price::text", "currency", "properties::text", "consent")
    assert stored(*names) == [
        (0, "17", "mug", 2, "9.9500", "USD", '{"coupon": "X"}', True), (1, "17", "cup", 1, "4.0000", "USD", None, True),
    ]  # fmt: skip


def test_rows_of_an_order_that_follow_each_other_are_one_purchase(
    api_a: Api, tenant_a: TenantRef, stored: Stored
) -> None:
    other = line("pot", order_id="o2")
    done = imported(api_a, tenant_a, table(line("mug"), line("cup"), other, line("tray")))
    assert counts(done) == (3, 4, 0, 0)
    assert stored("order_id", "line", "item_id") == [
        ("o1", 0, "mug"),
        ("o1", 1, "cup"),
        ("o2", 0, "pot"),
        ("o1", 0, "tray"),
    ]


def test_the_same_file_again_stores_nothing(api_a: Api, tenant_a: TenantRef, stored: Stored) -> None:
    rows = [line("mug"), line("cup"), *views(range(5))]
    imported(api_a, tenant_a, table(*rows))
    before = stored("event_id", "line", "received_at")
    assert counts(imported(api_a, tenant_a, table(*rows))) == (0, 0, 7, 0)
    assert counts(imported(api_a, tenant_a, table(*views(range(7)), *rows))) == (2, 2, 12, 0)  # one that has grown
    assert stored("event_id", "line", "received_at")[: len(before)] == before


def test_an_order_is_stored_whole_or_not_at_all_and_can_be_put_right(
    api_a: Api, tenant_a: TenantRef, stored: Stored
) -> None:
    bad = table(line("mug"), line("cup", price="dear"), line("pot"), *views([1]))
    done = imported(api_a, tenant_a, bad)
    assert counts(done) == (1, 1, 0, 3)
    assert errors(api_a, done["id"]) == [
        (2, "", "rejected_with_event", ""), (3, "price", "invalid", "dear"), (4, "", "rejected_with_event", ""),
    ]  # fmt: skip
    assert counts(imported(api_a, tenant_a, bad.replace(b"dear", b"3"))) == (1, 3, 1, 0)
    assert len(stored("line")) == 4


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"type": "smile"}, ("type", "unknown_type", "smile")),
        ({"occurred_at": "yesterday"}, ("occurred_at", "invalid", "yesterday")),
        ({"occurred_at": ""}, ("occurred_at", "missing_field", "")),
        ({"occurred_at": (clock.now() - timedelta(days=500)).isoformat()}, ("occurred_at", "too_old", None)),
        ({"occurred_at": (clock.now() + timedelta(days=5)).isoformat()}, ("occurred_at", "in_future", None)),
        ({"visitor_id": ""}, ("visitor_id", "missing_visitor", "")),
        ({"visitor_id": "ü"}, ("visitor_id", "invalid", "ü")),
        ({"item_id": ""}, ("items", "missing_item", "")),
        ({"item_id": "é"}, ("item_id", "invalid", "é")),
        ({"quantity": "1.5"}, ("quantity", "invalid", "1.5")),
        ({"quantity": "0"}, ("quantity", "invalid", "0")),
        ({"price": "-1"}, ("price", "invalid", "-1")),
        ({"price": "NaN"}, ("price", "invalid", "NaN")),
        ({"type": "purchase"}, ("order_id", "missing_order_id", "")),
        ({"type": "purchase", "order_id": "o"}, ("price", "missing_price", "")),
        ({"type": "login"}, ("user_id", "missing_visitor", "")),
        ({"consent": "no"}, ("consent", "no_consent", None)),
        ({"consent": "perhaps"}, ("consent", "invalid", "perhaps")),
        ({"properties": "[1]"}, ("properties", "invalid", "[1]")),
        ({"properties": "{"}, ("properties", "invalid", "{")),
        ({"event_id": "7"}, ("event_id", "invalid", "7")),
        ({"flag": "odd"}, ("flag", "invalid", "odd")),
        ({"position": "0"}, ("position", "invalid", "0")),
    ],
)
def test_rows_that_are_not_taken_say_where_and_why(
    api_a: Api, tenant_a: TenantRef, row: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    [good] = views([1])
    done = imported(api_a, tenant_a, table(good, good | row))
    assert counts(done) == (1, 1, 0, 1)
    [(number, field, code, value)] = errors(api_a, done["id"])
    assert (number, field, code) == (3, *expected[:2])
    assert expected[2] is None or value == expected[2]
    assert done["rejected_sample"][0]["message"]


def test_a_type_for_rows_that_have_none_and_columns_named_otherwise(
    api_a: Api, tenant_a: TenantRef, stored: Stored
) -> None:
    """As Online Retail has them: a negative quantity is what came back."""
    when = DAY.strftime("%m/%d/%Y 8:26")
    rows = (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        f"536365,85123A,HOLDER,6,{when},2.55,17850,United Kingdom\n"
        f"536365,71053,LANTERN,6,{when},3.39,17850,United Kingdom\n"
        f"C536379,D,Discount,-1,{when},27.5,14527,United Kingdom\n"
        f"536414,22139,,56,{when},0,,United Kingdom\n"
    )
    options = {"type": "purchase", "timezone": "Europe/London", "date_format": "%m/%d/%Y %H:%M"}
    done = imported(api_a, tenant_a, rows.encode(), **options)
    assert counts(done) == (2, 3, 0, 1)
    assert done["note"]["code"] == "columns_left_out"
    assert "Description, Country" in done["note"]["message"]
    assert stored("type", "order_id", "user_id", "item_id", "quantity", "price::text") == [
        ("purchase", "536365", "17850", "85123A", 6, "2.5500"), ("purchase", "536365", "17850", "71053", 6, "3.3900"),
        ("refund", "C536379", "14527", "D", 1, "27.5000"),
    ]  # fmt: skip
    assert errors(api_a, done["id"]) == [(5, "visitor_id", "missing_visitor", "")]


def test_names_of_other_makers(api_a: Api, tenant_a: TenantRef, stored: Stored) -> None:
    rees46 = {
        "event_time": DAY.strftime("%Y-%m-%d %H:%M:%S UTC"), "event_type": "cart", "product_id": "44600062",
        "price": "35.79", "user_id": "541312140", "user_session": "72d76fde",
    }  # fmt: skip
    ga4 = {
        "event_timestamp": int(DAY.timestamp() * 10**6), "event_name": "purchase", "user_pseudo_id": "1.2",
        "ecommerce": {"transaction_id": "T1"}, "items": [{"item_id": "S1", "item_name": "Shirt", "price": 9.5}],
    }  # fmt: skip
    retailrocket = {
        "timestamp": int(DAY.timestamp() * 1000),
        "visitorid": 257597,
        "event": "addtocart",
        "itemid": 355908,
    }
    for content in (table(rees46), json.dumps(ga4).encode(), table(retailrocket)):
        assert counts(imported(api_a, tenant_a, content)) == (1, 1, 0, 0)
    assert {row[0] for row in stored("occurred_at")} == {DAY}
    assert stored("type", "visitor_id", "session_id", "item_id", "order_id") == [
        ("add_to_cart", "541312140", "72d76fde", "44600062", None), ("purchase", "1.2", None, "S1", "T1"),
        ("add_to_cart", "257597", None, "355908", None),
    ]  # fmt: skip


def test_columns_go_where_the_mapping_says(api_a: Api, tenant_a: TenantRef, stored: Stored) -> None:
    row = {"when": at(), "who": "v9", "what": "mug", "user_id": "left out"}
    mapping = {"when": "occurred_at", "who": "visitor_id", "what": "item_id", "user_id": ""}
    assert counts(imported(api_a, tenant_a, table(row), type="view", mapping=mapping)) == (1, 1, 0, 0)
    assert stored("visitor_id", "user_id", "item_id") == [("v9", None, "mug")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"visitor_id,item_id\nv,i\n", "missing_column"),
        (b"occurred_at,item_id\n2026-01-01,i\n", "missing_column"),
        (b"occurred_at,visitor_id,item_id\n2026-01-01,v,i\n", "missing_column"),
        (b"occurred_at,type,visitor_id,type\n", "duplicate_column"),
        (gzip.compress(table(*views(range(9))))[:-20], "truncated"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_a_code(
    api_a: Api, tenant_a: TenantRef, content: bytes, code: str
) -> None:
    done = imported(api_a, tenant_a, content)
    assert (done["status"], done["error"]["code"]) == ("failed", code)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "smile"}, {"timezone": "Mars"}, {"date_format": "x" * 65}, {"mapping": {"a": "colour"}},
        {"mapping": {"a": "type", "b": "type"}}, {"mapping": "{"}, {"mapping": ["x"]}, {"format": "xml"},
        {"mode": "replace"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_once(api_a: Api, fields: dict[str, Any]) -> None:
    answer = send(api_a, table(*views([1])), path="events/imports", **fields)
    assert answer.status == 400, answer.body
    assert api_a.get("events/imports").json["results"] == []


def test_a_form_without_a_file_and_an_empty_file_are_refused(api_a: Api) -> None:
    assert send(api_a, None, path="events/imports").status == 400
    assert send(api_a, b"", path="events/imports").status == 400
    assert api_a.post("events/imports", {"file": "x"}).status == 415


def test_retention_and_types_are_the_shops_own(api_a: Api, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(event_retention_days=800, event_types=["wish"])
    from tenants import directory  # the reference of now

    old = {"type": "wish", "occurred_at": (clock.now() - timedelta(days=700)).isoformat(), "visitor_id": "v"}
    assert counts(imported(api_a, directory.get(tenant_a.slug), table(old))) == (1, 1, 0, 0)


def test_only_this_months_events_count_against_the_months(api_a: Api, tenant_a: TenantRef) -> None:
    new = {"type": "view", "occurred_at": clock.now().isoformat(), "visitor_id": "v", "item_id": "i"}
    imported(api_a, tenant_a, table(*views(range(5)), new))
    assert quotas.events_now([tenant_a]) == [1]


def test_histories_know_what_was_imported(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, table(*views([0, 7])))
    assert redis.client().zrange(visitor_key(tenant_a.slug, "v0"), 0, -1) == [b"vi0", b"vi7"]


def test_one_that_is_cancelled_keeps_what_it_stored_and_goes_on_later(
    api_a: Api, tenant_a: TenantRef, stored: Stored
) -> None:
    number = upload(api_a, table(*views(range(2500))))
    running.run_pending(tenant_a, lambda row: row.rows and api_a.post(f"events/imports/{number}/cancel") and None)
    stopped = of(api_a, number)
    assert (stopped["status"], counts(stopped)) == ("cancelled", (1000, 1000, 0, 0))
    assert api_a.post(f"events/imports/{number}/cancel").status == 409
    assert api_a.post(f"events/imports/{number}/resume").status == 202
    running.run_pending(tenant_a)
    assert counts(of(api_a, number)) == (2500, 2500, 0, 0)
    assert len(stored("id")) == 2500
    assert api_a.post(f"events/imports/{number}/resume").status == 409
    actions = list(
        AuditEntry.objects.filter(object_type="event_import", object_id=str(number)).values_list("action", flat=True)
    )
    assert sorted(actions) == ["event_import.cancelled", "event_import.requested", "event_import.resumed"]


def test_a_batch_that_was_not_committed_is_taken_again(
    api_a: Api, tenant_a: TenantRef, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and counters are of one transaction: whatever dies between them, there are both or neither."""
    from events.importing.kind import EVENTS

    number, calls = upload(api_a, table(*views(range(2500)))), []

    def die(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(EVENTS), "reject", die)
    with pytest.raises(KeyboardInterrupt):
        running.run_pending(tenant_a)
    monkeypatch.undo()
    assert counts(of(api_a, number)) == (1000, 1000, 0, 0)
    assert len(stored("id")) == 1000
    running.run_pending(tenant_a)
    assert counts(of(api_a, number)) == (2500, 2500, 0, 0)


def test_the_errors_are_a_table_that_no_spreadsheet_computes(api_a: Api, tenant_a: TenantRef) -> None:
    [view] = views([1])
    number = imported(api_a, tenant_a, table(view | {"type": "=1+1"}))["id"]
    answer = api_a.get(f"events/imports/{number}/errors.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body.decode().splitlines()[1].endswith("'=1+1")


def test_imports_are_the_shops_own(api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    number = imported(api_a, tenant_a, table(*views(range(3))))["id"]
    assert api_b.get("events/imports").json["results"] == []
    assert api_b.get(f"events/imports/{number}").status == 404
    assert api_b.get("events").json["results"] == []
    assert counts(imported(api_b, tenant_b, table(*views(range(3))))) == (3, 3, 0, 0)


def test_who_may_import(edge: Any, tenant_a: TenantRef) -> None:
    from tenants.types import KeyType

    reader = Api(edge, new_key(tenant_a, KeyType.READ_ONLY))
    assert send(reader, table(*views([1])), path="events/imports").status == 403
    assert reader.get("events/imports").status == 200
    with tenancy.use(tenant_a):
        from events.models import Import

        assert not Import.objects.exists()
