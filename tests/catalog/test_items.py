"""Items in and out of the catalogue."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import Api

pytestmark = pytest.mark.smoke

MUG = {
    "item_id": "mug",
    "title": "Mug",
    "price": "9.95",
    "categories": ["Home > Kitchen"],
    "attributes": {"blue": True},
}


def batch(api: Api, *items: Any) -> Any:
    answer = api.post("catalog/items/batch", {"items": list(items)})
    assert answer.status == 200, answer.body
    return answer.json


def test_an_item_comes_back_as_it_was_sent(api_a: Api) -> None:
    assert api_a.post("catalog/items", MUG).status == 201
    item = api_a.get("catalog/items/mug").json
    assert {name: item[name] for name in MUG} == MUG
    assert item["currency"] == "EUR"
    assert item["availability"] == "in_stock"


def test_a_second_item_of_the_same_id_is_a_conflict(api_a: Api) -> None:
    api_a.post("catalog/items", MUG)
    answer = api_a.post("catalog/items", MUG)
    assert (answer.status, answer.json["code"]) == (409, "conflict")


def test_put_creates_then_replaces_and_patch_changes_one_field(api_a: Api) -> None:
    assert api_a.call("PUT", "catalog/items/mug", data={"title": "Mug", "brand": "Acme"}).status == 201
    assert api_a.call("PUT", "catalog/items/mug", data={"title": "Cup"}).status == 200
    assert api_a.get("catalog/items/mug").json["brand"] == ""
    patched = api_a.call("PATCH", "catalog/items/mug", data={"price": "3.50"}).json
    assert (patched["title"], patched["price"]) == ("Cup", "3.50")


def test_a_deleted_item_is_gone(api_a: Api) -> None:
    api_a.post("catalog/items", MUG)
    assert api_a.call("DELETE", "catalog/items/mug").status == 204
    assert api_a.get("catalog/items/mug").status == 404


def test_ids_may_hold_slashes_and_spaces(api_a: Api) -> None:
    batch(api_a, {"item_id": "a/b c", "title": "Odd"})
    assert api_a.get("catalog/items/a/b c").json["title"] == "Odd"


def test_an_item_may_be_called_batch(api_a: Api) -> None:
    assert api_a.call("PUT", "catalog/items/batch", data={"title": "A batch of biscuits"}).status == 201
    assert api_a.get("catalog/items/batch").json["title"] == "A batch of biscuits"
    assert batch(api_a, {"item_id": "batch", "title": "Biscuits"})["updated"] == 1
    assert api_a.call("DELETE", "catalog/items/batch").status == 204


def test_paths_of_categories_are_tidied(api_a: Api) -> None:
    batch(api_a, {"item_id": "mug", "title": "Mug", "categories": ["Home>Kitchen >  Mugs", " Gifts "]})
    assert api_a.get("catalog/items/mug").json["categories"] == ["Home > Kitchen > Mugs", "Gifts"]
    for path in ("Home > ", "", ">", " > ".join("abcdefghijk")):
        [refused] = batch(api_a, {"item_id": "mug", "title": "Mug", "categories": [path]})["rejected"]
        assert (refused["code"], refused["pointer"]) == ("invalid", "/categories")


def test_a_sale_has_dates(api_a: Api) -> None:
    sale = {"sale_price": "5.00", "sale_starts_at": "2026-11-27T00:00:00+01:00", "sale_ends_at": "2026-11-30T23:59:59Z"}
    batch(api_a, MUG | sale)
    item = api_a.get("catalog/items/mug").json
    assert (item["sale_starts_at"], item["sale_ends_at"]) == ("2026-11-26T23:00:00Z", "2026-11-30T23:59:59Z")
    assert batch(api_a, MUG | sale)["unchanged"] == 1


def test_a_batch_tells_what_became_of_each_row(api_a: Api) -> None:
    first = batch(api_a, MUG, {"item_id": "cup", "title": "Cup"})
    second = batch(
        api_a,
        MUG,
        {"item_id": "cup", "title": "Cup, large"},
        {"item_id": "new", "title": "New"},
        {"item_id": "new", "title": "New again"},
        {"item_id": "bad", "title": "Bad", "prise": 1},
        {"item_id": "worse", "title": "Worse", "price": "NaN"},
        "not an object",
    )
    assert (first["created"], first["rejected"]) == (2, [])
    assert {name: second[name] for name in ("created", "updated", "unchanged")} == {
        "created": 1,
        "updated": 1,
        "unchanged": 1,
    }
    assert [(r["index"], r["code"], r["pointer"]) for r in second["rejected"]] == [
        (3, "duplicate_in_batch", "/item_id"),
        (4, "unknown_field", "/prise"),
        (5, "invalid", "/price"),
        (6, "invalid", ""),
    ]


def test_an_unchanged_row_is_not_written(api_a: Api, tenant_a: Any) -> None:
    batch(api_a, MUG)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT xmin::text, ctid::text FROM {tenant_a.schema}.catalog_item")
        before = cursor.fetchall()
        batch(api_a, MUG)
        cursor.execute(f"SELECT xmin::text, ctid::text FROM {tenant_a.schema}.catalog_item")
        assert cursor.fetchall() == before


def test_more_than_500_rows_are_refused(api_a: Api) -> None:
    answer = api_a.post("catalog/items/batch", {"items": [{"item_id": str(n), "title": "x"} for n in range(501)]})
    assert (answer.status, answer.json["code"]) == (400, "batch_too_large")


def test_concurrent_batches_on_the_same_items_neither_deadlock_nor_lose_a_write(api_a: Api) -> None:
    rows = [{"item_id": f"i{n}", "title": "start"} for n in range(200)]

    def write(round_: int) -> Any:
        mixed = sorted(rows, key=lambda row: hash((row["item_id"], round_)))
        return batch(api_a, *[row | {"title": f"round {round_}"} for row in mixed])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(12)))
    assert sum(result["created"] for result in results) == 200
    titles = {item["title"] for item in api_a.get("catalog/items", {"limit": 500}).json["results"]}
    assert len(titles) == 1


def test_another_tenants_items_are_not_there(api_a: Api, api_b: Api) -> None:
    batch(api_a, MUG)
    assert api_b.get("catalog/items").json["results"] == []
    missing, foreign = api_b.get("catalog/items/nope"), api_b.get("catalog/items/mug")
    assert foreign.status == missing.status == 404
    assert {**foreign.json, "detail": ""} == {**missing.json, "detail": ""}


def test_lists_page_by_cursor(api_a: Api) -> None:
    batch(api_a, *[{"item_id": f"i{n}", "title": "x"} for n in range(5)])
    page = api_a.get("catalog/items", {"limit": 2}).json
    seen = [item["item_id"] for item in page["results"]]
    while page["next"]:
        page = api_a.get("catalog/items", page["next"].split("?", 1)[1]).json
        seen += [item["item_id"] for item in page["results"]]
    assert seen == ["i4", "i3", "i2", "i1", "i0"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1", b'"x"', b"\xff\xfe", b'{"items": 3}', b'{"rows": []}', b"[" * 100_000]
)
def test_what_is_no_batch_is_a_problem(api_a: Api, body: bytes) -> None:
    answer = api_a.post("catalog/items/batch", body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {"item_id": st.text(max_size=3) | st.integers(), "title": st.text(max_size=5)},
            optional={
                "price": st.floats() | st.integers() | st.text(max_size=4) | st.none(),
                "attributes": st.dictionaries(
                    st.text(max_size=3), st.text(max_size=3) | st.floats(allow_nan=False) | st.lists(st.text())
                ),
                "published_at": st.datetimes().map(str) | st.text(max_size=4),
                "image_url": st.text(max_size=8),
            },
        ),
        max_size=4,
    )
)
def test_any_rows_are_accounted_for(api_a: Api, rows: list[Any]) -> None:
    answer = api_a.post("catalog/items/batch", json.dumps({"items": rows}, default=str).encode())
    if answer.status == 200:
        result = answer.json
        assert result["created"] + result["updated"] + result["unchanged"] + len(result["rejected"]) == len(rows)
    else:
        assert answer.status == 400  # NaN is not JSON
