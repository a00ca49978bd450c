"""The privacy page: what is stored of somebody is looked up, exported and, once the id is typed again, erased."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from events import archive, archiving, tasks
from tenants.models import AuditEntry
from tenants.types import TenantRef
from tests.dashboard.conftest import ago, happened


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Path) -> None:
    settings.EVENT_ARCHIVE = str(tmp_path / "archive")


@pytest.fixture
def known(tenant_a: TenantRef) -> TenantRef:
    """Shop A, where ann was seen on a phone and on a kiosk, which bob uses as well."""
    view = {"type": "view", "item_id": "mug"}
    happened(
        tenant_a,
        view | {"visitor_id": "phone", "occurred_at": ago(days=100)},
        {"type": "login", "visitor_id": "phone", "user_id": "ann"},
        view | {"visitor_id": "kiosk", "user_id": "ann"},
        view | {"visitor_id": "kiosk", "user_id": "bob"},
    )
    return tenant_a


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_an_id_is_looked_up(ann: Client, known: TenantRef) -> None:
    archiving.archive_closed(known, drop=True)
    assert archive.dropped(known)
    page = text(ann.post("/privacy/", {"id": "ann"}))
    assert '<dt class="text-muted">Events</dt><dd class="nums">3</dd>' in page
    assert 'alone</dt><dd class="text-right font-mono wrap-anywhere">phone</dd>' in page
    assert "bob" not in page
    assert "Nothing is stored under this id" in text(ann.post("/privacy/", {"id": "nobody"}))
    assert "printable ASCII" in text(ann.post("/privacy/", {"id": "é"}))
    assert ann.post("/privacy/", {"id": ""}).status_code == 400


def test_an_export_is_a_file_and_recorded(ann: Client, known: TenantRef) -> None:
    answer = ann.post("/privacy/export/", {"id": "ann"})
    assert "ann" not in answer["Content-Disposition"].replace("attachment", "")
    assert len(json.loads(b"".join(answer.streaming_content))["events"]) == 3
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor) == ("visitor.exported", "ann@example.com")
    assert ann.post("/privacy/export/", {"id": "nobody"}).status_code == 404


def test_nobody_is_erased_who_was_not_typed_again(eva: Client, ann: Client, known: TenantRef) -> None:
    answer = eva.post("/privacy/erase/", {"id": "ann", "typed": "anna"})
    assert (answer.status_code, "That is not the id above" in text(answer)) == (400, True)
    assert "Erase</button>" not in text(ann.post("/privacy/", {"id": "ann"}))
    assert ann.post("/privacy/erase/", {"id": "ann", "typed": "ann"}).status_code == 403
    assert 'nums">3</dd>' in text(ann.post("/privacy/", {"id": "ann"}))


def test_an_editor_erases(eva: Client, known: TenantRef) -> None:
    answer = eva.post("/privacy/erase/", {"id": "ann", "typed": "ann"}, follow=True)
    assert "3 events are erased" in text(answer)
    assert "<td>pending</td>" in text(answer)
    tasks.tend_erasures()
    assert "<td>done</td>" in text(eva.get("/privacy/"))
    assert "Nothing is stored under this id" in text(eva.post("/privacy/", {"id": "ann"}))
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor, entry.after) == ("visitor.erased", "eva@example.com", {"events": 3})


def test_ids_are_text_and_never_markup(ann: Client, known: TenantRef) -> None:
    assert "<script>alert" not in text(ann.post("/privacy/", {"id": "<script>alert(1)</script>"}))
