"""Stored events as files, and back."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import exporting
from recomengine.lib import clock
from tenants.types import TenantRef
from tests.api import Api
from tests.events.conftest import Stored
from tests.events.past import counts, imported
from tests.events.test_posting import PURCHASE, VIEW, send

EVERYTHING = [name for name in exporting.COLUMNS if name != "received_at"]
CRAWLER = "Googlebot/2.1 (+http://www.google.com/bot.html)"


def exported(api: Api, format: str, **params: Any) -> bytes:
    answer = api.get("events/export", {"format": format, **params})
    assert answer.status == 200, answer.body
    return answer.body


def emptied(tenant: TenantRef) -> None:
    with connection.cursor() as cursor:
        for name in ("event", "eventkey"):
            cursor.execute(f"DELETE FROM {tenant.schema}.events_{name}")


def rows(stored: Stored) -> list[tuple[Any, ...]]:
    return sorted(stored("event_id", *EVERYTHING), key=lambda row: (str(row[0]), row[2]))


def minutes_ago(number: int) -> str:
    return (clock.now() - timedelta(minutes=number)).isoformat()


def some(api: Api) -> None:
    send(
        api,
        VIEW | {"item_id": '=1+1,"x"', "occurred_at": minutes_ago(1), "properties": {"n": 1e30, "t": 'é"\n,'}},
        VIEW | {"item_id": "bot", "user_agent": CRAWLER, "occurred_at": minutes_ago(2)},
        PURCHASE | {"occurred_at": minutes_ago(3), "properties": {}, "consent": True, "session_id": "s"},
        {"type": "login", "visitor_id": "v", "user_id": "u", "occurred_at": minutes_ago(4)},
        {
            "type": "impression", "visitor_id": "v", "recommendation_id": "r", "placement": "p", "position": 3,
            "items": [{"item_id": "a"}, {"item_id": "a"}], "occurred_at": minutes_ago(5),
        },
    )  # fmt: skip


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("packed", ["0", "1"])
def test_what_is_exported_is_imported_again_as_it_was(
    api_a: Api, tenant_a: TenantRef, stored: Stored, format: str, packed: str
) -> None:
    some(api_a)
    before = rows(stored)
    assert len(before) == 7
    content = exported(api_a, format, gzip=packed)
    assert counts(imported(api_a, tenant_a, content)) == (0, 0, 7, 0)  # they are all there
    emptied(tenant_a)
    assert counts(imported(api_a, tenant_a, content)) == (5, 7, 0, 0)
    assert rows(stored) == before


TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=128).filter(
    lambda text: text == text.strip()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\"',\n;=", max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["view", "click", "impression", "refund", "remove_from_cart"]),
        "visitor_id": TEXTS,
        "items": st.lists(
            st.fixed_dictionaries(
                {"item_id": TEXTS},
                optional={
                    "quantity": st.integers(1, 10**6),
                    "price": st.decimals(0, 10**9, places=4).map(str),
                },
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "user_id": TEXTS, "session_id": TEXTS, "order_id": TEXTS, "recommendation_id": TEXTS, "placement": TEXTS,
        "position": st.integers(1, 10_000), "consent": st.just(True),
        "properties": st.dictionaries(st.text("xy=\",", max_size=4), JSON, max_size=3),
    },
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=1, max_size=6), format=st.sampled_from(["csv", "jsonl"]))
def test_odd_texts_come_through(
    api_a: Api, tenant_a: TenantRef, stored: Stored, events: list[dict[str, Any]], format: str
) -> None:
    emptied(tenant_a)
    now = clock.now()
    send(
        api_a,
        *[event | {"occurred_at": (now - timedelta(seconds=n // 2)).isoformat()} for n, event in enumerate(events)],
    )
    before, content = rows(stored), exported(api_a, format)
    emptied(tenant_a)
    assert counts(imported(api_a, tenant_a, content))[1:] == (len(before), 0, 0)
    assert rows(stored) == before


def test_parquet_has_the_columns_of_the_listing_and_their_types(api_a: Api, stored: Stored) -> None:
    some(api_a)
    table = pq.read_table(io.BytesIO(exported(api_a, "parquet")))
    assert table.schema.equals(exporting.SCHEMA)
    found = [tuple(row[name] for name in ("event_id", "item_id", "price", "flag")) for row in table.to_pylist()]
    kept = [(str(key), *rest) for key, *rest in stored("event_id", "item_id", "price", "flag")]
    assert sorted(found, key=str) == sorted(kept, key=str)
    assert json.loads(table.to_pylist()[-1]["properties"]) == {"n": 10**30, "t": 'é"\n,'}


@pytest.mark.parametrize("format", exporting.Format)
def test_a_shop_without_events_has_an_empty_file(api_a: Api, format: str) -> None:
    content = exported(api_a, format)
    if format == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert len(content.splitlines()) == (1 if format == "csv" else 0)


def test_chunks_hold_every_row_once_also_of_one_moment(
    api_a: Api, monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 7)
    at = minutes_ago(1)
    send(api_a, *[VIEW | {"item_id": f"i{n}", "occurred_at": at} for n in range(50)])
    lines = [json.loads(line) for line in exported(api_a, "jsonl").splitlines()]
    assert sorted(line["item_id"] for line in lines) == sorted(f"i{n}" for n in range(50))


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"type": "login"}, [None]),
        ({"flagged": "true"}, ["bot"]),
        ({"flagged": "false", "type": "view"}, ['=1+1,"x"']),
        ({"order_id": "o1"}, ["mug", "cup"]),
        ({"recommendation_id": "r"}, ["a", "a"]),
        ({"session_id": "s", "order_id": "o1"}, ["mug", "cup"]),
        ({"session_id": "s", "from": minutes_ago(60 * 24)}, ["mug", "cup"]),
        ({"to": minutes_ago(4 * 60)}, []),
    ],
)
def test_the_filters_are_those_of_the_listing(api_a: Api, params: dict[str, str], found: list[str | None]) -> None:
    some(api_a)
    lines = [json.loads(line) for line in exported(api_a, "jsonl", **params).splitlines()]
    assert [line.get("item_id") for line in lines] == found
    listed = api_a.get("events", params).json["results"]
    assert sorted(str(each["item_id"]) for each in listed) == sorted(map(str, found))


@pytest.mark.parametrize(
    "params", [{}, {"format": "xml"}, {"format": "csv", "what": "1"}, {"format": "csv", "session_id": "s"},
               {"format": "csv", "flagged": "1"}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(api_a: Api, params: dict[str, str]) -> None:
    assert api_a.get("events/export", params).status == 400


def test_another_shops_events_are_not_in_it(api_a: Api, api_b: Api) -> None:
    some(api_a)
    assert exported(api_b, "jsonl") == b""


def test_the_commands(api_a: Api, tenant_a: TenantRef, stored: Stored, tmp_path: Path, capsys: Any) -> None:
    some(api_a)
    before, file = rows(stored), tmp_path / "events.csv.gz"
    call_command("export_events", "shop-a", "--to", str(file), "--gzip", "--json")
    emptied(tenant_a)
    capsys.readouterr()
    call_command("import_events", "shop-a", str(file), "--json", "-v", "0")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], answer["events"], answer["rejected"]) == ("completed", 5, 0)
    assert rows(stored) == before
