"""Two tenants in every run, real PostgreSQL, a real Redis-compatible server, and data that is really committed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from events import trending
from recomengine.lib import redis
from recomengine.settings import broker
from recommendations import catalogue_search, placements
from recommendations.models import Placement
from tenants import audit, changing, keys, tenancy
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api, start_edge

TENANT_TABLES = (
    "catalog_importeditem", "catalog_rejectedrow", "catalog_import", "catalog_source", "catalog_word",
    "catalog_documentslanguage", "catalog_item",
    "experiments_experiment",
    "analytics_unknownitem", "analytics_qualitycheck", "analytics_eventcheck", "events_event", "events_eventkey",
    "events_rejectedrow", "events_import", "events_tally", "events_cursor", "events_archivedmonth", "events_erasure",
    "recommendations_modelrun", "recommendations_placement", "recommendations_customstrategy",
    "recommendations_servedslate", "recommendations_rule",
)  # fmt: skip

PUBLIC_TABLES = (  # those that refer to others come first
    "tenants_auditentry",
    "token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken", "usersessions_usersession",
    "mfa_authenticator", "account_emailconfirmation", "account_emailaddress", "django_admin_log", "django_session",
    "tenants_invitation", "tenants_membership", "tenants_usage", "tenants_apikey", "tenants_domain",
    "tenants_user_groups", "tenants_user_user_permissions", "tenants_user",
)  # fmt: skip
AS_MADE: dict[int, dict[str, Any]] = {}  # what the two tenants are set back to after each test
# Nothing is taken out of the audit log, but by what empties the tables between tests, which says so.
APPEND_ONLY = """
    CREATE OR REPLACE FUNCTION tenants_auditentry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_setting('tests.between', true) = 'yes' THEN RETURN NULL; END IF;
        RAISE EXCEPTION 'the audit log is append-only';
    END $$
"""
BETWEEN_TESTS = "SET LOCAL tests.between = 'yes'"

hypothesis_settings.register_profile("tests", deadline=None)  # how long a busy machine takes is no matter
hypothesis_settings.load_profile("tests")


def _redis_database(url: str, number: int) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?{urlencode({**dict(parse_qsl(parts.query)), 'db': number})}"
    return urlunsplit(parts._replace(path=f"/{number}"))


@pytest.fixture(scope="session", autouse=True)
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each worker has its own Redis database and stores of files (pytest-django gives it its own database)."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    settings.REDIS_URL = _redis_database(settings.REDIS_URL, 1 + int(worker) % 15)
    settings.CACHES["default"]["LOCATION"] = settings.REDIS_URL
    settings.CELERY_BROKER_URL = current_app.conf.broker_url = broker(settings.REDIS_URL)
    settings.MODEL_STORE = str(tmp_path_factory.mktemp("models"))
    settings.TRAINING_DIR = str(tmp_path_factory.mktemp("training"))
    settings.IMPORT_STORE = Path(tmp_path_factory.mktemp("imports"))
    settings.EVENT_ARCHIVE = str(tmp_path_factory.mktemp("archive"))
    redis.client.cache_clear()
    trending.UNDER_WAY = 0.0  # type: ignore[misc]  # no request is under way while a test rebuilds
    catalogue_search.PATIENCE = 30.0  # type: ignore[misc]  # however slow the machine is


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The worker's own database, migrated; pytest-django's own fixture makes one only for tests it marks."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        with connection.cursor() as cursor:
            cursor.execute(APPEND_ONLY)
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def tenants(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[Tenant, Tenant]]:
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone()[0].startswith("test_")
        made = create_tenant("shop-a", "Shop A"), create_tenant("shop-b", "Shop B", currency="USD")
        AS_MADE.update(
            {tenant.pk: audit.values(tenant, [*changing.BY_STAFF, "status", "deleted_at"]) for tenant in made}
        )
        yield made


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave nothing behind: tests commit for real, and what they committed goes afterwards.

    Only tests that ask for a tenant (or mark themselves `django_db`) touch the database.
    """
    if "tenants" not in request.fixturenames:
        yield
        return
    a, b = request.getfixturevalue("tenants")
    yield
    if "edge" in request.fixturenames:
        request.getfixturevalue("edge").forget()
    connection.set_schema_to_public()
    names = [f"{tenant.schema_name}.{table}" for tenant in (a, b) for table in TENANT_TABLES] + list(PUBLIC_TABLES)
    others = f"DELETE FROM tenants_tenant WHERE id NOT IN ({a.pk}, {b.pk})"
    with connection.cursor() as cursor:  # TRUNCATE costs ten times that: it makes files
        cursor.execute("; ".join([BETWEEN_TESTS, *(f"DELETE FROM {name}" for name in names), others]))
    for pk, fields in AS_MADE.items():
        Tenant.objects.filter(pk=pk).update(**fields)
    redis.client().flushdb()
    for store in (settings.MODEL_STORE, settings.TRAINING_DIR, settings.IMPORT_STORE, settings.EVENT_ARCHIVE):
        for tenant in (a, b):
            shutil.rmtree(Path(store, tenant.slug), ignore_errors=True)


@pytest.fixture
def tenant_a(tenants: tuple[Tenant, Tenant]) -> TenantRef:
    return as_new(tenants[0].ref)


@pytest.fixture
def tenant_b(tenants: tuple[Tenant, Tenant]) -> TenantRef:
    return as_new(tenants[1].ref)


@pytest.fixture(scope="session")
def edge(tenants: tuple[Tenant, Tenant], own_servers: None) -> Iterator[Any]:
    """The API's ASGI application, running in an event loop of its own."""
    with start_edge() as running:
        yield running


@pytest.fixture
def api_a(edge: Any, tenant_a: TenantRef) -> Api:
    """Shop A's API, called with a read-write key."""
    return Api(edge, new_key(tenant_a))


@pytest.fixture
def api_b(edge: Any, tenant_b: TenantRef) -> Api:
    """Shop B's API, called with a read-write key."""
    return Api(edge, new_key(tenant_b))


def as_new(tenant: TenantRef) -> TenantRef:
    """The tenant with the placements that every shop starts with, after the last test's tables were emptied."""
    rows = [
        Placement(key=key, name=name, cascade=list(cascade)) for key, (name, cascade) in placements.BUILT_IN.items()
    ]
    with tenancy.use(tenant):
        Placement.objects.bulk_create(rows, ignore_conflicts=True)
    return tenant


def new_key(tenant: TenantRef, key_type: KeyType = KeyType.READ_WRITE, **options: Any) -> str:
    chosen = keys.KeySettings(**options)
    return str(keys.create_key(Tenant.objects.get(slug=tenant.slug), key_type, chosen))
