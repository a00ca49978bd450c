"""What becomes of an import while it runs: stopped, resumed, interrupted, one after the other, replacing."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.exceptions
from django.db import OperationalError, connection

from catalog import cards, items, tasks
from catalog.importing import running, taking
from catalog.importing.kind import FILES
from catalog.models import Import, ImportedItem, RejectedRow
from catalog.types import Card, cards_key
from imports import stepping
from imports.kinds import Kind
from recomengine.lib import redis as redis_client
from recomengine.lib.postgres import held, is_held
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import counts, csv_of, imported, of, send, stored, upload

pytestmark = pytest.mark.smoke


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing catches it."""


def after(batches: int, what: Callable[[], Any]) -> Callable[[Import], None]:
    """A progress function that does something once, when so many batches are stored."""
    seen = iter(range(1, 1000))
    return lambda _: what() if next(seen) == batches else None


def kill() -> None:
    raise Killed


def one_after_the_other(*functions: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is the first of these the first time, and so on."""
    rest = iter(functions)

    def called(*args: Any) -> Any:
        return next(rest)(*args)

    return called


def shown(tenant: TenantRef) -> dict[str, str]:
    """What the serving path shows: titles by item."""
    found = [msgspec.msgpack.decode(each, type=Card) for each in redis_client.client().hvals(cards_key(tenant.slug))]
    return {card.item_id: msgspec.json.decode(card.product)["title"] for card in found}


def fields(tenant: TenantRef, number: int) -> Import:
    with tenancy.use(tenant):
        return Import.objects.get(pk=number)


# --- Stopped and gone on with ---------------------------------------------------------------------------------------


def test_a_waiting_import_is_cancelled_at_once(api_a: Api, tenant_a: TenantRef) -> None:
    number = upload(api_a, csv_of(range(3)))
    answer = api_a.post(f"catalog/imports/{number}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    running.run_pending(tenant_a)
    assert (stored(api_a), of(api_a, number)["finished_at"] is None) == ({}, False)
    assert api_a.post(f"catalog/imports/{number}/cancel").status == 409


def test_a_running_import_is_cancelled_after_the_rows_at_hand_and_goes_on_where_it_stopped(
    api_a: Api, tenant_a: TenantRef
) -> None:
    number = upload(api_a, csv_of(range(1700)) + b"x,,1.00,red\n")
    running.run_pending(tenant_a, after(2, lambda: api_a.post(f"catalog/imports/{number}/cancel")))
    stopped = of(api_a, number)
    assert (stopped["status"], counts(stopped)) == ("cancelled", (1000, 0, 0, 0, 0))
    assert 0 < stopped["progress"]["share"] < 1
    answer = api_a.post(f"catalog/imports/{number}/resume", {})
    assert (answer.status, answer.json["status"], answer.json["cancel_requested"]) == (202, "queued", False)
    running.run_pending(tenant_a)
    assert (of(api_a, number)["status"], counts(of(api_a, number))) == ("completed", (1700, 0, 0, 1, 0))
    assert api_a.post(f"catalog/imports/{number}/resume", {}).status == 409


@pytest.mark.parametrize("mode", ["delta", "replace"])
def test_what_was_killed_is_gone_on_with_and_no_row_is_lost_or_counted_twice(
    api_a: Api, tenant_a: TenantRef, mode: str
) -> None:
    imported(api_a, tenant_a, csv_of(["gone", *range(100)]))
    feed = csv_of(range(1200), price="2.00") + b"".join(b"bad%d,,1.00,red\n" % n for n in range(300))
    number = upload(api_a, feed, mode=mode)
    for batch in (1, 2):
        with pytest.raises(Killed):
            running.run_pending(tenant_a, after(batch if batch == 1 else 1, kill))
        assert of(api_a, number)["status"] == "running"
        assert not running.is_running(tenant_a)
    running.run_pending(tenant_a)
    done = of(api_a, number)
    assert (done["status"], counts(done)) == ("completed", (1100, 100, 0, 300, 1 if mode == "replace" else 0))
    errors = api_a.get(f"catalog/imports/{number}/errors", {"limit": 500}).json["results"]
    assert [each["line"] for each in errors] == list(range(1202, 1502))
    assert ("gone" in stored(api_a)) == (mode == "delta")


def test_cards_that_were_not_written_before_the_kill_are_written_after_it(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(api_a, csv_of(range(700)))
    refresh = cards.refresh
    monkeypatch.setattr(cards, "refresh", lambda *_: kill())
    with pytest.raises(Killed):
        running.run_pending(tenant_a)
    assert (len(stored(api_a)), shown(tenant_a)) == (500, {})
    monkeypatch.setattr(cards, "refresh", refresh)
    running.run_pending(tenant_a)
    assert shown(tenant_a) == stored(api_a)
    assert len(stored(api_a)) == 700


def test_cards_of_items_whose_deletion_was_killed_are_dropped(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(api_a, tenant_a, csv_of(range(100)))
    number = upload(api_a, csv_of(range(90)), mode="replace")
    refresh = cards.refresh
    monkeypatch.setattr(cards, "refresh", one_after_the_other(refresh, lambda *_: kill()))
    with pytest.raises(Killed):
        running.run_pending(tenant_a)
    assert (len(stored(api_a)), len(shown(tenant_a))) == (90, 100)
    monkeypatch.setattr(cards, "refresh", refresh)
    running.run_pending(tenant_a)
    assert shown(tenant_a) == stored(api_a)
    assert counts(of(api_a, number)) == (0, 0, 90, 0, 10)


@pytest.mark.parametrize("error", [OperationalError("away"), redis.exceptions.ConnectionError("away")])
def test_an_import_waits_for_a_server_that_is_away(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    number = upload(api_a, csv_of(range(3)))

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as away:
        away.setattr(items, "write", fail)
        with pytest.raises(type(error)):
            running.run_pending(tenant_a)
    assert of(api_a, number)["status"] == "running"
    running.run_pending(tenant_a)
    assert counts(of(api_a, number)) == (3, 0, 0, 0, 0)


def test_a_bug_ends_the_import_and_not_the_next_one(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = upload(api_a, csv_of(range(3))), upload(api_a, csv_of(range(3)))
    monkeypatch.setattr(items, "write", one_after_the_other(lambda *_: 1 // 0, items.write))
    running.run_pending(tenant_a)
    failed = of(api_a, first)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "internal_error")
    assert of(api_a, second)["status"] == "completed"


# --- One at a time --------------------------------------------------------------------------------------------------


def test_imports_of_a_tenant_run_one_after_the_other(api_a: Api, tenant_a: TenantRef) -> None:
    numbers = [upload(api_a, csv_of(range(600), title=f"Title {n}")) for n in range(3)]
    at_once: list[int] = []

    def look(row: Import) -> None:
        with tenancy.use(tenant_a):
            at_once.append(Import.objects.filter(status="running").count())

    def work(_: int) -> None:
        try:
            running.run_pending(tenant_a, look)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert max(at_once) == 1
    assert [of(api_a, each)["status"] for each in numbers] == ["completed"] * 3
    assert stored(api_a)["0"] == "Title 2 0"


def test_a_task_that_is_delivered_twice_leaves_the_import_to_whoever_runs_it(api_a: Api, tenant_a: TenantRef) -> None:
    number = upload(api_a, csv_of(range(3)))
    with held(f"import:{tenant_a.slug}") as mine:
        assert mine
        assert is_held(f"import:{tenant_a.slug}")
        tasks.run_imports(tenant_a.slug)
        assert of(api_a, number)["status"] == "queued"
    tasks.run_imports(tenant_a.slug)
    assert of(api_a, number)["status"] == "completed"


def test_whoever_lost_the_lock_and_not_its_life_stores_nothing_more(api_a: Api, tenant_a: TenantRef) -> None:
    number = upload(api_a, csv_of(range(1600)))

    def other() -> None:
        with tenancy.use(tenant_a):
            row = Import.objects.get(pk=number)
            next(iter(taking.take(tenant_a, row)))

    running.run_pending(tenant_a, after(1, other))  # goes on by itself, from where the other one is
    done = of(api_a, number)
    assert (done["status"], counts(done)) == ("completed", (1600, 0, 0, 0, 0))
    stale = fields(tenant_a, number)
    stale.rows = 500
    with tenancy.use(tenant_a), pytest.raises(stepping.Overtaken), stepping.step(stale):
        pass


def test_beat_goes_on_with_what_nobody_runs(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Kind, "run_later", lambda _, tenant: asked.append(tenant.slug))
    tasks.tend_imports()
    assert asked == []
    upload(api_a, csv_of(range(600)))
    asked.clear()
    with held(f"import:{tenant_a.slug}"):
        tasks.tend_imports()
    assert asked == []
    with pytest.raises(Killed):
        running.run_pending(tenant_a, after(1, kill))
    tasks.tend_imports()
    assert asked == [tenant_a.slug]


# --- Replacing ------------------------------------------------------------------------------------------------------


def test_a_replacing_import_deletes_what_the_feed_does_not_hold(
    api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    imported(api_b, tenant_b, csv_of(range(30)))
    imported(api_a, tenant_a, csv_of(range(30)))
    feed = csv_of(range(25)) + b"25,Item 25,cheap,red\n"
    done = imported(api_a, tenant_a, feed, mode="replace")
    assert counts(done) == (0, 0, 25, 1, 4)
    assert set(stored(api_a)) == set(map(str, range(26)))  # the row that was rejected keeps its item
    assert shown(tenant_a) == stored(api_a)
    assert len(stored(api_b)) == 30
    with tenancy.use(tenant_a):
        assert not ImportedItem.objects.exists()


def test_an_item_that_was_added_meanwhile_stays(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, csv_of(range(600)))
    upload(api_a, csv_of(range(599)), mode="replace")
    add = after(1, lambda: api_a.post("catalog/items", {"item_id": "new", "title": "New"}))
    running.run_pending(tenant_a, add)
    assert {"new", "598"} <= set(stored(api_a))
    assert "599" not in stored(api_a)


@pytest.mark.parametrize(
    ("feed", "message"),
    [(csv_of(range(40)), "60 of the catalogue's 100"), (csv_of([]), "100 of"), (b"id,title\nbad\x07,x\n", "100 of")],
    ids=["too little", "nothing", "only bad rows"],
)
def test_a_feed_that_lacks_too_much_deletes_nothing_until_somebody_says_so(
    api_a: Api, tenant_a: TenantRef, feed: bytes, message: str
) -> None:
    imported(api_a, tenant_a, csv_of(range(100)))
    failed = imported(api_a, tenant_a, feed, mode="replace", format="csv")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "too_many_deletions")
    assert message in failed["error"]["message"]
    assert len(stored(api_a)) == 100
    api_a.post(f"catalog/imports/{failed['id']}/resume", {})
    running.run_pending(tenant_a)
    assert len(stored(api_a)) == 100
    api_a.post(f"catalog/imports/{failed['id']}/resume", {"allow_deletions": True})
    running.run_pending(tenant_a)
    assert of(api_a, failed["id"])["status"] == "completed"
    assert len(stored(api_a)) == 40 if feed == csv_of(range(40)) else not stored(api_a)


def test_a_small_shop_may_change_all_it_has_but_not_lose_it_to_an_empty_feed(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, csv_of(range(15)))
    assert imported(api_a, tenant_a, csv_of([]), mode="replace")["error"]["code"] == "too_many_deletions"
    assert counts(imported(api_a, tenant_a, csv_of(["x"]), mode="replace")) == (1, 0, 0, 0, 15)


def test_a_share_of_the_shops_own_choice(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, csv_of(range(100)))
    strict = imported(api_a, tenant_a, csv_of(range(70)), mode="replace", max_deleted_share=0.25)
    assert strict["error"]["code"] == "too_many_deletions"
    assert counts(imported(api_a, tenant_a, csv_of(range(30)), mode="replace", max_deleted_share=0.8))[4] == 70


def test_a_feed_that_breaks_deletes_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, csv_of(range(10)))
    broken = b'<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>1</g:id><g:title>x</g:title></item>'
    done = imported(api_a, tenant_a, broken, mode="replace")
    assert (done["status"], done["deleted"], len(stored(api_a))) == ("failed", 0, 10)


# --- What is kept ---------------------------------------------------------------------------------------------------


def test_files_are_kept_for_those_who_may_go_on(api_a: Api, tenant_a: TenantRef, store: Path) -> None:
    completed = imported(api_a, tenant_a, csv_of(range(3)))["id"]
    assert not FILES.path(tenant_a, completed).exists()
    cancelled, waiting = upload(api_a, csv_of(range(3))), upload(api_a, csv_of(range(3)))
    api_a.post(f"catalog/imports/{cancelled}/cancel")
    abandoned = FILES.home(tenant_a) / "incoming-1"
    abandoned.write_bytes(b"x")
    age(tenant_a, 6)
    tasks.tidy_imports()
    assert {path.name for path in FILES.home(tenant_a).iterdir()} == {str(cancelled), str(waiting)}
    age(tenant_a, 2)
    tasks.tidy_imports()
    assert {path.name for path in FILES.home(tenant_a).iterdir()} == {str(waiting)}
    answer = api_a.post(f"catalog/imports/{cancelled}/resume", {})
    assert (answer.status, answer.json["code"]) == (409, "file_gone")


def age(tenant: TenantRef, days: int) -> None:
    """Have the tenant's imports and files be older by so many days."""
    with tenancy.use(tenant):
        for row in Import.objects.filter(finished_at__isnull=False):
            row.finished_at -= timedelta(days=days)
            row.save()
    for path in FILES.home(tenant).iterdir():
        then = path.stat().st_mtime - days * 86_400
        os.utime(path, (then, then))


def test_rejected_rows_are_kept_for_a_month(api_a: Api, tenant_a: TenantRef) -> None:
    done = imported(api_a, tenant_a, csv_of(range(3), price="cheap"))
    for days, left in ((29, 3), (2, 0)):
        age(tenant_a, days)
        tasks.tidy_imports()
        with tenancy.use(tenant_a):
            assert RejectedRow.objects.filter(import_run=done["id"]).count() == left
    assert of(api_a, done["id"])["rejected"] == 3


def test_a_file_that_is_gone_fails_the_import(api_a: Api, tenant_a: TenantRef) -> None:
    number = upload(api_a, csv_of(range(3)))
    FILES.discard(tenant_a, number)
    running.run_pending(tenant_a)
    assert of(api_a, number)["error"]["code"] == "file_gone"


def test_another_shop_sees_and_stops_nothing(api_a: Api, api_b: Api) -> None:
    number = upload(api_a, csv_of(range(3)))
    for method, path in (
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/resume"),
        ("GET", "/errors"),
        ("GET", "/errors.csv"),
    ):
        assert api_b.call(method, f"catalog/imports/{number}{path}").status == 404
    assert api_b.get("catalog/imports").json["results"] == []
    assert send(api_b, csv_of([1])).status == 202
