"""The pages of events that come in, and of their health."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.conf import settings
from django.test import Client

from analytics import event_health
from tenants import page_tokens
from tenants.types import TenantRef
from tests.api import Api
from tests.dashboard.conftest import happened

VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug"}


def test_the_live_page_may_open_the_stream_and_nothing_else(ann: Client) -> None:
    answer = ann.get("/events/live/?visitor_id=v-77&outcome=rejected&type=<b>")
    page = answer.content.decode()
    assert f'data-stream="{settings.API_URL}/api/v1/events/stream"' in page
    assert 'value="v-77"' in page
    assert '<option value="rejected" selected>' in page
    assert "&lt;b&gt;" in page
    address = urlsplit(settings.API_URL)
    assert f"connect-src 'self' {address.scheme}://{address.netloc}" in answer["Content-Security-Policy"]


def test_its_token_is_for_the_person_the_shop_and_the_pages_own_origin(edge: Any, ann: Client, api_a: Api) -> None:
    answer = ann.get("/events/live/token/", headers={"host": "localhost:3109"})
    assert "no-store" in answer["Cache-Control"]
    token = json.loads(answer.content)["token"]
    claims = page_tokens.read(token)
    assert (claims.slug, claims.origin) == ("shop-a", "http://localhost:3109")
    assert api_a.post("events", VIEW | {"type": "wish"}).status == 202
    stream = Api(edge, None).get("events/stream", {"token": token, "seconds": 0}, origin="http://localhost:3109")
    assert stream.headers["access-control-allow-origin"] == "http://localhost:3109"
    assert b"unknown_type" in stream.body
    assert Client().get("/events/live/token/").status_code == 302


def test_the_health_page_shows_counts_and_findings(ann: Client, api_a: Api, tenant_a: TenantRef) -> None:
    page = ann.get("/events/health/").content.decode()
    assert "not looked at yet" in page
    api_a.post("events/batch", {"events": [VIEW, VIEW | {"type": "wish"}]})
    event_health.check(tenant_a)
    page = ann.get("/events/health/").content.decode()
    assert "1 accepted, 1 rejected" in page
    assert "unknown_type" in page
    assert "Products that the catalogue lacks" in page
    rows = ann.get("/events/health/counts.csv").content.decode().splitlines()
    assert rows[0] == "day,name,count"
    assert [row.split(",", 1)[1] for row in rows[1:]] == ["accepted,1", "rejected:unknown_type,1"]


def test_who_may_write_can_have_them_looked_at(ann: Client, eva: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: sent.append((name, args)))
    assert ann.post("/events/health/check/").status_code == 403
    assert "Look now" not in ann.get("/events/health/").content.decode()
    assert eva.post("/events/health/check/").status_code == 302
    assert sent == [("analytics.check_quality_of", ["shop-a"])]


def test_the_overview_warns_of_what_is_severe(ann: Client, tenant_a: TenantRef) -> None:
    happened(tenant_a, *[VIEW | {"visitor_id": f"v{n}"} for n in range(12)])
    assert "Health of the events" not in ann.get("/").content.decode()
    event_health.check(tenant_a)
    page = ann.get("/").content.decode()
    assert "Products that the catalogue lacks" in page
    assert "Health of the events" in page
