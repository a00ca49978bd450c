"""The pages of stored events: browsing, taking them away, and importing those of the past."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from events.importing import running
from tenants.types import TenantRef
from tests.dashboard.conftest import ago, happened
from tests.events.past import table, views

VIEW = {"type": "view", "visitor_id": "v-1", "item_id": "mug"}


def page(browser: Client, query: str = "") -> str:
    answer = browser.get(f"/events/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_newest_come_first_and_the_address_filters(ann: Client, tenant_a: TenantRef) -> None:
    happened(
        tenant_a, VIEW | {"occurred_at": ago(hours=2)}, VIEW | {"item_id": "cup", "occurred_at": ago(hours=1)},
        {"type": "purchase", "user_id": "u", "order_id": "o-7", "occurred_at": ago(hours=3),
         "items": [{"item_id": "pot", "price": 30, "quantity": 2}]},
    )  # fmt: skip
    everything = page(ann)
    assert everything.index("cup") < everything.index("mug") < everything.index("pot")
    assert "cup" not in page(ann, "?item_id=mug")
    assert "o-7" in page(ann, "?order_id=o-7")
    assert "No such event" in page(ann, "?visitor_id=nobody")
    assert "No such event" in page(ann, "?since=2199-01-01")
    assert "mug" in page(ann, "?until=2199-01-01&since=nonsense&flagged=false")


def test_pages_go_on_where_the_last_one_ended(ann: Client, tenant_a: TenantRef) -> None:
    at = ago(hours=1)
    happened(tenant_a, *[VIEW | {"item_id": f"item-{n:02}", "occurred_at": at} for n in range(70)])
    first = ann.get("/events/")
    second = ann.get(f"/events/?{first.context['older']}")
    shown = [each.item_id for answer in (first, second) for each in answer.context["events"]]
    assert shown == [f"item-{n:02}" for n in range(69, -1, -1)]
    assert second.context["older"] == ""


@pytest.mark.parametrize("before", ["x", "1-x", "9" * 18 + "-1", "1-" + "9" * 30, "-", "٣-٣"])
def test_a_place_that_no_page_named_is_the_beginning(ann: Client, tenant_a: TenantRef, before: str) -> None:
    happened(tenant_a, VIEW)
    assert "mug" in page(ann, f"?before={before}")


def test_a_session_needs_bounds_and_the_page_says_so(ann: Client) -> None:
    answer = ann.get("/events/?session_id=s")
    assert (answer.status_code, "at most 31 days apart" in answer.content.decode()) == (400, True)
    assert ann.get("/events/export/csv/?session_id=s")["Location"] == "/events/?session_id=s"


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_the_filtered_events_are_taken_away_as_a_file(ann: Client, tenant_a: TenantRef, format: str) -> None:
    happened(tenant_a, VIEW, VIEW | {"item_id": "cup"})
    answer: Any = ann.get(f"/events/export/{format}/?item_id=cup")
    content = b"".join(answer.streaming_content)
    assert answer["Content-Disposition"] == f'attachment; filename="shop-a-events.{format}"'
    assert b"cup" in content
    assert b"mug" not in content
    assert ann.get("/events/export/xml/").status_code == 404


def test_a_file_is_imported_and_reported(eva: Client, tenant_a: TenantRef, files: Path) -> None:
    rows = [*views(range(3)), {"occurred_at": "never", "type": "view", "visitor_id": "v", "item_id": "odd-one"}]
    upload = SimpleUploadedFile("past.csv", table(*rows))
    answer = eva.post("/events/import/", {"file": upload, "timezone": "Europe/Berlin", "date_format": ""})
    where = answer["Location"]
    assert "Waiting for its turn" in eva.get(where).content.decode()
    running.run_pending(tenant_a)
    report = eva.get(where).content.decode()
    assert "Imported" in report
    assert "line 5" in report
    assert "never" in report
    assert "past.csv" in eva.get("/events/imports/").content.decode()
    part = eva.get(where, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part
    assert "The import is over: completed." in part
    table_ = b"".join(eva.get(f"{where}errors.csv").streaming_content)  # type: ignore[attr-defined]
    assert b"odd-one" in table_


def test_one_that_waits_is_cancelled_and_goes_on(eva: Client, tenant_a: TenantRef, files: Path) -> None:
    upload = SimpleUploadedFile("past.jsonl", json.dumps(views([1])[0]).encode())
    where = eva.post("/events/import/", {"file": upload, "timezone": "UTC", "type": "view"})["Location"]
    assert eva.post(f"{where}cancel/")["Location"] == where
    assert "Cancelled" in eva.get(where).content.decode()
    assert "is cancelled already" in eva.post(f"{where}cancel/", follow=True).content.decode()
    eva.post(f"{where}resume/")
    running.run_pending(tenant_a)
    assert "Imported" in eva.get(where).content.decode()


def test_a_form_that_makes_no_sense_says_why(eva: Client, files: Path) -> None:
    assert eva.post("/events/import/", {"timezone": "UTC"}).status_code == 400
    upload = SimpleUploadedFile("past.csv", b"x" * 10)
    assert eva.post("/events/import/", {"file": upload, "timezone": "Mars"}).status_code == 400


def test_viewers_see_imports_and_start_none(ann: Client) -> None:
    assert 'href="/events/import/"' not in page(ann)
    assert ann.get("/events/imports/").status_code == 200
    assert ann.get("/events/import/").status_code == 403
