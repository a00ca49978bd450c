"""People who look at shops, and shops with something to look at."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from catalog import finding, items
from catalog.models import Item
from catalog.types import ItemIn
from events import ingest, projections, store
from recomengine.lib import clock, redis
from recomengine.lib.postgres import connect
from recommendations import packing
from recommendations.models import ModelRun
from recommendations.releases import versions
from tenants import tenancy
from tenants.models import Membership, Tenant, User
from tenants.types import Role, TenantRef
from tests.catalog.imports.feeds import FeedServer, serving

PASSWORD = "correct horse battery"
SignIn = Callable[..., Client]

CATALOGUE = [
    ItemIn(item_id="mug", title="Red mug", price=Decimal("9.95"), categories=["Kitchen > Mugs"]),
    ItemIn(item_id="cup", title="Small red cup", price=Decimal("4.5"), image_url="https://img.example/cup.png"),
    ItemIn(item_id="pot", title="Tea pot", price=Decimal(30), sale_price=Decimal("19.99")),
    ItemIn(item_id="tray", title="Wooden tray", price=None),
    ItemIn(item_id="gone", title="Broken mug", price=Decimal(1), availability="out_of_stock"),
]


@pytest.fixture
def sign_in(tenants: tuple[Tenant, Tenant]) -> SignIn:
    """A browser in which a new person, a member of the given shops, is logged in."""

    def sign_in(
        *shops: TenantRef,
        email: str = "ann@example.com",
        password: str | None = None,
        role: Role = Role.VIEWER,
        **fields: Any,
    ) -> Client:
        person = User.objects.create_user(email, password, **fields)
        EmailAddress.objects.create(user=person, email=email, primary=True, verified=True)
        for shop in shops:
            Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=shop.slug), role=role)
        browser = Client()
        browser.force_login(person)
        return browser

    return sign_in


@pytest.fixture
def ann(sign_in: SignIn, tenant_a: TenantRef) -> Client:
    """A member of shop A, and of no other, at her browser."""
    return sign_in(tenant_a)


@pytest.fixture
def owner(sign_in: SignIn, tenant_a: TenantRef) -> Client:
    """An owner of shop A at her browser."""
    return sign_in(tenant_a, email="owner@example.com", role=Role.OWNER)


@pytest.fixture
def eva(sign_in: SignIn, tenant_a: TenantRef) -> Client:
    """An editor of shop A at her browser."""
    return sign_in(tenant_a, email="eva@example.com", role=Role.EDITOR)


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """A directory for the files of imports, and nothing in it."""
    settings.IMPORT_STORE = tmp_path / "imports"
    return tmp_path / "imports"


@pytest.fixture
def feeds(settings: Any) -> Iterator[FeedServer]:
    """A server of feeds that may be asked."""
    settings.IMPORT_NETWORKS = [ip_network("127.0.0.0/8")]
    with serving() as server:
        yield server


def ago(**span: float) -> str:
    return (clock.now() - timedelta(**span)).isoformat()


def happened(tenant: TenantRef, *events: dict[str, Any]) -> None:
    """Store events as the API does."""
    batch = ingest.from_rows(
        [msgspec.json.encode(event) for event in events], ingest.Context(clock.now(), tenant.currency)
    )
    assert not batch.rejected, batch.rejected
    with connect() as connection:
        store.write(connection, tenant.schema, batch.events)
    for command in projections.commands(tenant, batch.events, batch, clock.now()):
        redis.client().execute_command(*command)


def recommend(tenant: TenantRef, tables: dict[str, dict[str, Sequence[tuple[str, float, int]]]]) -> None:
    """Publish a model made by hand: table → list → (item id, score, evidence), best first."""
    with tenancy.use(tenant):
        numbers = dict(Item.objects.values_list("item_id", "pk"))
    for name in versions.TABLES:
        rows = tables.get(name, {}).items()
        versions.write_table(tenant, "v1", name, [(key, _packed(entries, numbers)) for key, entries in rows])
    versions.flip(tenant, "v1")
    with tenancy.use(tenant):
        ModelRun.objects.create(version="v1", status=ModelRun.Status.PUBLISHED, finished_at=clock.now())


def _packed(entries: Sequence[tuple[str, float, int]], numbers: dict[str, int]) -> bytes:
    ids, scores, evidence = zip(*entries, strict=True)
    return packing.pack(np.array([numbers[each] for each in ids]), np.array(scores), np.array(evidence))


@pytest.fixture
def shop(tenant_a: TenantRef) -> TenantRef:
    """Shop A with a small catalogue, a visitor, and a model made by hand."""
    items.write(tenant_a, CATALOGUE)
    happened(
        tenant_a,
        {"type": "view", "visitor_id": "v-77", "item_id": "mug", "occurred_at": ago(hours=2)},
        {"type": "add_to_cart", "visitor_id": "v-77", "item_id": "pot", "occurred_at": ago(hours=1)},
    )
    recommend(
        tenant_a,
        {
            "coview": {"mug": [("cup", 800, 41), ("gone", 700, 9), ("pot", 200, 1)], "pot": [("tray", 500, 12)]},
            "baskets": {"mug": [("pot", 900, 7)]},
            "lists": {"popular": [("pot", 1024, 60), ("mug", 512, 30), ("tray", 100, 5)], "trending": [("tray", 9, 3)]},
        },
    )
    return tenant_a


def titles(found: Sequence[finding.ItemSummary]) -> list[str]:
    return [item.title for item in found]
