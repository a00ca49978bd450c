"""The pages of data quality: counts, the products behind them, and what only events know."""

from typing import Any

import pytest
from celery import current_app
from django.test import Client

from analytics import unknown_items
from analytics.models import QualityCheck
from tenants import tenancy
from tenants.types import Role, TenantRef
from tests.dashboard.conftest import SignIn


def test_faults_are_counted_and_lead_to_their_products(ann: Client, shop: TenantRef) -> None:
    page = ann.get("/catalog/quality/").content.decode()
    assert "Of 5 products" in page
    assert "/catalog/quality/missing_price/" in page
    assert "/catalog/quality/currency_mismatch/" not in page  # nothing has it
    listed = ann.get("/catalog/quality/missing_price/").content.decode()
    assert "Wooden tray" in listed
    assert "Tea pot" not in listed
    assert ann.get("/catalog/quality/ugly/").status_code == 404


def test_an_empty_shop_is_told_so(ann: Client, tenant_a: TenantRef) -> None:
    assert "Nothing to judge yet" in ann.get("/catalog/quality/").content.decode()


def test_what_only_events_know(ann: Client, shop: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not compared yet" in ann.get("/catalog/quality/").content.decode()
    unknown_items.check(shop)
    with tenancy.use(shop):
        assert QualityCheck.objects.count() == 1
    assert "Compared" in ann.get("/catalog/quality/").content.decode()
    assert ann.get("/catalog/quality/unknown_item/").status_code == 200


def test_who_may_write_can_have_them_compared(sign_in: SignIn, shop: TenantRef, monkeypatch: Any) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: sent.append((name, args)))
    viewer, editor = sign_in(shop, email="v@example.com"), sign_in(shop, email="e@example.com", role=Role.EDITOR)
    assert "Compare now" not in viewer.get("/catalog/quality/").content.decode()
    assert viewer.post("/catalog/quality/check/").status_code == 403
    assert "Compare now" in editor.get("/catalog/quality/").content.decode()
    assert editor.post("/catalog/quality/check/").status_code == 302
    assert sent == [("analytics.check_quality_of", [shop.slug])]
