"""Search documents follow the shop's language."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog import items, rebuilding, tasks
from catalog import search as searching
from catalog.models import Item
from catalog.search import Search
from catalog.types import ItemIn
from recomengine.lib.postgres import held
from tenants import changing, tenancy
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.catalog.test_documents import lexemes, rows, vocabulary


def write(tenant: TenantRef, *titles: str) -> None:
    items.write(tenant, [ItemIn(item_id=f"i{n}", title=title, group_id="g") for n, title in enumerate(titles)])


def test_a_changed_language_has_the_documents_made_anew(tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "_CHUNK", 2)
    write(tenant_a, "Gärten", "Bücher", "Tische")
    changing.edit_tenant(Tenant.objects.get(slug=tenant_a.slug), {"locale": "de-DE"})
    german = replace(tenant_a, locale="de-DE")
    assert rebuilding.is_needed(german)
    tasks.rebuild_stale_search()
    assert not rebuilding.is_needed(german)
    assert lexemes(tenant_a) == {"garten", "gart", "bucher", "buch", "tische", "tisch", "i0", "i1", "i2", "g"}
    assert [item.title for item in searching.search(german, Search("tisch")).items] == ["Tische"]


def test_words_that_no_item_has_any_more_leave_the_vocabulary(tenant_a: TenantRef) -> None:
    write(tenant_a, "Mug")
    write(tenant_a, "Cup")
    assert vocabulary(tenant_a) == ["cup", "mug"]
    assert rebuilding.rebuild(tenant_a) == 1
    assert vocabulary(tenant_a) == ["cup"]


def test_items_from_before_there_was_a_search_are_found_afterwards(tenant_a: TenantRef) -> None:
    write(tenant_a, "Mug")
    with tenancy.use(tenant_a):
        Item.objects.update(document=None, category_paths=[])
    assert searching.search(tenant_a, Search("mug")).total == 0
    assert rebuilding.is_needed(tenant_a)
    tasks.rebuild_stale_search()
    assert searching.search(tenant_a, Search("mug")).total == 1


def test_an_interrupted_one_is_needed_still(tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilding.rebuild(tenant_a)

    def fails(*_: Any) -> Any:
        raise RuntimeError("the process ended")

    with monkeypatch.context() as patched:
        patched.setattr(rebuilding, "_chunk", fails)
        with pytest.raises(RuntimeError):
            rebuilding.rebuild(tenant_a)
    assert rebuilding.is_needed(tenant_a)


def test_one_process_at_a_time(tenant_a: TenantRef) -> None:
    with held(f"rebuild search {tenant_a.schema}"):
        assert rebuilding.rebuild(tenant_a) is None
        with pytest.raises(CommandError, match="Another process"):
            call_command("rebuild_search", tenant_a.slug)


def test_the_command_names_shops_or_takes_all(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    write(tenant_a, "Mug", "Cup")
    out = StringIO()
    call_command("rebuild_search", "--all", stdout=out)
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["tenant", "items"], [tenant_a.slug, "2"], [tenant_b.slug, "0"],
    ]  # fmt: skip
    assert rows(tenant_a, "SELECT configuration FROM catalog_documentslanguage") == ["public.recom_english"]
    with pytest.raises(CommandError):
        call_command("rebuild_search")
