"""The audit log: for owners and staff, filtered, paged, and exported without traps."""

import csv
import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from tenants import audit
from tenants.models import AuditEntry, Tenant
from tenants.shop_pages.audit import changes, harmless
from tenants.types import Actor, Role, TenantRef
from tests.dashboard.conftest import SignIn


def told(
    tenant: TenantRef, actor: str = "ann@example.com", action: str = "test.done", subject: str = "thing", **values: Any
) -> None:
    by = Actor(Actor.PERSON, actor, "192.0.2.7", "request-1")
    audit.record(by, action, ("row", subject), Tenant.objects.get(slug=tenant.slug), **values)


def entries(browser: Client, query: str = "") -> str:
    return browser.get(f"/audit/{query}").content.decode().split('id="entries"')[1]


def exported(browser: Client, kind: str, query: str = "") -> str:
    answer = browser.get(f"/audit/export.{kind}{query}")
    assert answer.status_code == 200
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("role", Role)
def test_owners_alone_see_and_export_it(sign_in: SignIn, tenant_a: TenantRef, role: Role) -> None:
    browser = sign_in(tenant_a, role=role)
    expected = 200 if role is Role.OWNER else 403
    for address in ("/audit/", "/audit/export.csv", "/audit/export.jsonl"):
        assert browser.get(address).status_code == expected
    assert ('href="/audit/"' in browser.get("/").content.decode()) == (role is Role.OWNER)
    assert Client().get("/audit/").status_code == 302


def test_staff_see_it_too(sign_in: SignIn, tenant_a: TenantRef) -> None:
    staff = sign_in(email="ops@example.com", is_staff=True)
    staff.post("/shops/switch/", {"shop": tenant_a.slug})
    assert staff.get("/audit/").status_code == 200


def test_an_entry_says_who_what_from_where_before_and_after(owner: Client, tenant_a: TenantRef) -> None:
    told(
        tenant_a,
        before={"allowed_origins": ["https://a.example"], "closed": False, "limit": None, "ends_at": "soon"},
        after={"allowed_origins": [], "closed": True, "limit": 5, "ends_at": datetime(2030, 7, 31, 12, tzinfo=UTC)},
    )
    page = entries(owner, "?action=test.done")
    for text in (
        "ann@example.com",
        "192.0.2.7",
        "Test done",
        "thing",
        "allowed origins",
        "https://a.example",
        "closed",
    ):
        assert text in page
    row = AuditEntry.objects.latest("pk")
    assert sorted(changes(row, ZoneInfo("Europe/Berlin"))) == [
        ("allowed origins", "https://a.example", None),
        ("closed", "no", "yes"),
        ("ends at", "soon", "31 Jul 2030, 14:00:00"),
        ("limit", None, "5"),
    ]


def test_another_shops_entries_do_not_exist(owner: Client, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    told(tenant_b, "bob@example.com", subject="of-shop-b")
    assert "of-shop-b" not in entries(owner)
    assert "of-shop-b" not in exported(owner, "csv") + exported(owner, "jsonl")
    assert "No entry is like that" in entries(owner, "?subject=of-shop-b")


@pytest.mark.parametrize("query", ["actor=BOB@", "action=test.other", "subject=uncommon"])
def test_entries_are_filtered_by_who_what_and_to_what(owner: Client, tenant_a: TenantRef, query: str) -> None:
    told(tenant_a, subject="common-one")
    told(tenant_a, "bob@example.com", "test.other", "uncommon-one")
    page = entries(owner, f"?{query}")
    assert "uncommon-one" in page
    assert ">common-one" not in page
    lines = [json.loads(line) for line in exported(owner, "jsonl", f"?{query}").splitlines()]
    assert {line["object_id"] for line in lines} == {"uncommon-one"}


def test_days_are_those_of_the_shop(owner: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(timezone="Pacific/Auckland")
    tenant = Tenant.objects.get(slug=tenant_a.slug)
    common = {
        "tenant": tenant,
        "actor_kind": "person",
        "actor": "ann",
        "action": "test.day",
        "object_type": "row",
    }  # long past: entries stay, and other tests look at the newest
    AuditEntry.objects.create(**common, object_id="on-the-31st", at=datetime(2010, 7, 31, 11, 59, tzinfo=UTC))
    AuditEntry.objects.create(**common, object_id="on-the-1st", at=datetime(2010, 7, 31, 12, 0, tzinfo=UTC))
    page = entries(owner, "?since=2010-07-31&until=2010-07-31")
    assert "on-the-31st" in page
    assert "on-the-1st" not in page
    assert "31 Jul 2010, 23:59:00" in page
    assert "on-the-1st" in entries(owner, "?since=2010-08-01")


@pytest.mark.parametrize(
    "query",
    ["since=soon", "until=9999-12-31", "since=0001-01-01", "actor=%00", "action=%00", "action=Nothing",
     "before=x", "after=-1", "before=" + "9" * 40,
     "actor=" + "x" * 300],
)  # fmt: skip
def test_a_filter_that_is_none_is_named(owner: Client, query: str) -> None:
    answer = owner.get(f"/audit/?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert owner.get(f"/audit/export.csv?{query}").status_code == 400
    part = owner.get(f"/audit/?{query}", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert 'role="alert"' in part.content.decode()


def test_pages_go_to_older_entries_and_back(owner: Client, tenant_a: TenantRef) -> None:
    for number in range(120):
        told(tenant_a, subject=f"<{number}>", action="test.paged")
    rows = list(AuditEntry.objects.filter(action="test.paged").order_by("-pk"))
    first = entries(owner, "?action=test.paged")
    assert [f"&lt;{number}&gt;" in first for number in (119, 70, 69)] == [True, True, False]
    assert f"action=test.paged&amp;before={rows[49].pk}" in first
    assert ">Newer<" not in first
    second = entries(owner, f"?action=test.paged&before={rows[49].pk}")
    assert [f"&lt;{number}&gt;" in second for number in (70, 69, 20, 19)] == [False, True, True, False]
    back = entries(owner, f"?action=test.paged&after={rows[50].pk}")
    assert "&lt;119&gt;" in back
    assert ">Newer<" not in back


def test_htmx_gets_the_entries_alone(owner: Client) -> None:
    answer = owner.get("/audit/", headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith('<section id="entries"')
    assert "HX-Request" in answer["Vary"]


def test_values_are_text_and_never_markup(owner: Client, tenant_a: TenantRef) -> None:
    bad = "<script>alert(1)</script>"
    told(tenant_a, bad, "test.bad", bad, before={"name": bad}, after={bad: [bad]})
    page = entries(owner, "?action=test.bad&actor=%3Cscript%3E")
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 4


def test_the_csv_has_a_line_an_entry_and_no_formula(owner: Client, tenant_a: TenantRef) -> None:
    told(tenant_a, '=HYPERLINK("https://evil.example")', "test.csv", "+1\n2", after={"name": 'a "quoted", name'})
    told(tenant_a, "ann@example.com", "test.csv", " @SUM(A1)")
    answer = owner.get("/audit/export.csv?action=test.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="shop-a-audit-log-')
    assert answer["Cache-Control"] == "no-store"
    lines = list(csv.DictReader(StringIO(exported(owner, "csv", "?action=test.csv"))))
    assert len({line["object_id"] for line in lines}) == 2
    assert lines[0]["object_id"] == "' @SUM(A1)"
    first = next(line for line in lines if line["object_id"] == "'+1\n2")
    assert first["actor"] == '\'=HYPERLINK("https://evil.example")'
    assert json.loads(first["after"]) == {"name": 'a "quoted", name'}
    assert datetime.fromisoformat(first["at"]).tzinfo is not None


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_cell_is_reckoned_with(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("a" + text) == "a" + text


def test_an_export_is_an_entry_itself(owner: Client, tenant_a: TenantRef) -> None:
    exported(owner, "jsonl", "?action=test.none")
    entry = AuditEntry.objects.filter(action="audit_log.exported").latest("pk")
    assert entry.actor == "owner@example.com"
    assert entry.after == {"format": "jsonl", "action": "test.none"}


def test_an_empty_export_has_its_header(owner: Client) -> None:
    assert exported(owner, "csv", "?action=test.none").splitlines() == [
        "at,actor_kind,actor,address,action,object_type,object_id,before,after,request_id"
    ]
