"""`manage.py migrate_schemas`: what is behind is found, migrated, and gone on with, whatever came in between."""

import json
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants import migrating, schemas, scripts
from tenants.models import SchemaScript, Tenant
from tenants.provisioning import create_tenant
from tests.tenants.conftest import APP, TABLE, Late

pytestmark = pytest.mark.smoke
WEIGHT = 'migrations.AddField("Late", "weight", models.IntegerField(default=3))'
HEIGHT = WEIGHT.replace("weight", "height")


@pytest.fixture
def migrate(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the command in this process; its answer, which has `refused` beside it where it was refused."""

    def run(**options: Any) -> dict[str, Any]:
        capsys.readouterr()
        refused = {}
        try:
            call_command("migrate_schemas", as_json=True, processes=1, **options)
        except CommandError as error:
            refused = {"refused": str(error)}
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer | refused

    return run


def applied(schema: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name FROM {schema}.django_migrations WHERE app = %s ORDER BY id", [APP])
        return [name for (name,) in cursor.fetchall()]


def columns(schema: str, table: str = "widgets_late") -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY column_name",
            [schema, table],
        )
        return [name for (name,) in cursor.fetchall()]


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_nothing_to_do(tenants: Any, migrate: Callable[..., dict[str, Any]]) -> None:
    answer = migrate()
    assert answer.pop("seconds") >= 0
    assert answer == {"public": [], "tenants": 2, "migrated": 0, "stale": [], "broken": {}, "failed": ""}


def test_every_tenant_is_migrated_whatever_its_status(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    Tenant.objects.filter(slug="shop-b").update(status=Tenant.Status.SUSPENDED)
    late.add(TABLE)
    late.add(WEIGHT)
    answer = migrate()
    assert (answer["public"], answer["migrated"], answer["stale"]) == ([], 2, [])
    for schema in ("t_shop_a", "t_shop_b"):
        assert applied(schema) == ["0001_late", "0002_late"]
        assert columns(schema) == ["id", "weight"]
    assert migrate()["migrated"] == 0


def test_a_check_names_what_is_behind_and_changes_nothing(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    assert "refused" not in migrate(check=True)
    late.add(TABLE)
    answer = migrate(check=True)
    assert (answer["public"], answer["stale"]) == ([], ["t_shop_a", "t_shop_b"])
    assert "run `manage.py migrate_schemas`" in answer["refused"]
    assert applied("t_shop_a") == applied("public") == []
    migrate(shared=True)
    assert migrate(check=True)["stale"] == ["t_shop_a", "t_shop_b"]
    migrate()
    assert "refused" not in migrate(check=True)


def test_one_tenant_or_public_alone(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    late.add(TABLE)
    answer = migrate(schema_name="t_shop_b")
    assert (answer["public"], answer["tenants"], answer["migrated"]) == (None, 1, 1)
    assert (applied("t_shop_b"), applied("t_shop_a"), applied("public")) == (["0001_late"], [], [])
    answer = migrate(shared=True)
    assert (answer["public"], answer["tenants"]) == ([], None)
    assert applied("t_shop_a") == []


def test_public_comes_first(late_in_public: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    late_in_public.add(TABLE)
    answer = migrate(check=True)
    assert (answer["public"], answer["stale"], "refused" in answer) == (["recomengine.0001_late"], [], True)
    answer = migrate()
    assert (answer["public"], answer["migrated"], "refused" in answer) == (["recomengine.0001_late"], 0, False)
    assert columns("public", "recomengine_late") == ["id"]
    assert "refused" not in migrate(check=True)


@pytest.mark.parametrize("name", ["t_nobody", "public", "pg_catalog", 't"; DROP SCHEMA public; --'])
def test_a_schema_that_is_no_tenants_is_refused(tenants: Any, name: str) -> None:
    for check in (True, False):
        with pytest.raises(CommandError, match="No tenant has a schema"):
            call_command("migrate_schemas", schema_name=name, check=check)


def test_the_first_tenant_that_fails_is_named_and_the_rest_is_left(
    late: Late, migrate: Callable[..., dict[str, Any]]
) -> None:
    late.add(TABLE)
    execute("CREATE TABLE t_shop_a.widgets_late (in_the_way int)")
    answer = migrate()
    assert (answer["migrated"], answer["stale"]) == (0, ["t_shop_a", "t_shop_b"])
    assert answer["failed"].startswith("t_shop_a: widgets.0001_late: ProgrammingError: relation")
    assert 'relation "widgets_late" already exists' in answer["refused"]
    assert applied("t_shop_b") == []
    execute("DROP TABLE t_shop_a.widgets_late")
    assert migrate()["migrated"] == 2


def test_a_migration_is_done_whole_or_not_at_all_and_the_next_run_goes_on(
    late: Late, migrate: Callable[..., dict[str, Any]]
) -> None:
    late.add(TABLE)
    migrate()
    execute("INSERT INTO t_shop_b.widgets_late VALUES (500)")
    late.add(WEIGHT)
    late.add(HEIGHT, 'migrations.RunSQL("ALTER TABLE widgets_late ADD CONSTRAINT few CHECK (id < 100)")')
    answer = migrate()
    assert answer["failed"].startswith("t_shop_b: widgets.0003_late: IntegrityError: check constraint")
    assert (answer["migrated"], answer["stale"]) == (1, ["t_shop_b"])
    assert applied("t_shop_b") == ["0001_late", "0002_late"]
    assert columns("t_shop_b") == ["id", "weight"]
    execute("DELETE FROM t_shop_b.widgets_late")
    assert migrate()["migrated"] == 1
    assert columns("t_shop_a") == columns("t_shop_b")


def test_migrations_that_fail_anywhere_touch_no_tenant(late: Late) -> None:
    late.add('migrations.RunSQL("SELECT 1/0")')
    with pytest.raises(CommandError, match=r"no tenant was touched.\n.*division by zero"):
        call_command("migrate_schemas")
    assert applied("t_shop_a") == applied("t_shop_b") == []


@pytest.fixture
def broken(tenants: Any) -> Iterator[None]:
    """One tenant whose schema is gone and one whose schema is empty."""
    for slug in ("gone", "empty"):
        create_tenant(slug, slug)
    schemas.drop("t_gone")
    execute("DROP SCHEMA t_empty CASCADE; CREATE SCHEMA t_empty")
    yield
    Tenant.objects.filter(slug__in=["gone", "empty"]).delete()
    schemas.drop("t_empty")


def test_broken_schemas_are_named_and_the_others_migrated(
    broken: None, late: Late, migrate: Callable[..., dict[str, Any]]
) -> None:
    late.add(TABLE)
    answer = migrate()
    assert answer["migrated"] == 2
    assert answer["broken"] == {"t_gone": "there is no such schema", "t_empty": "it has no table django_migrations"}
    assert "Broken schemas: t_empty, t_gone." in answer["refused"]
    assert migrate(check=True)["broken"] == answer["broken"]
    assert list(migrate(schema_name="t_gone")["broken"]) == ["t_gone"]


def test_a_history_out_of_order_is_broken(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    late.add(TABLE)
    late.add(WEIGHT)
    migrate()
    execute("DELETE FROM t_shop_b.django_migrations WHERE name = '0001_late'")
    broken = migrate()["broken"]
    assert broken == {"t_shop_b": "widgets.0002_late is applied, but not widgets.0001_late, on which it depends"}


def test_tenants_at_different_points_come_to_the_same(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    late.add(TABLE)
    migrate(schema_name="t_shop_a")
    late.add(WEIGHT)
    assert migrate()["migrated"] == 2
    assert columns("t_shop_a") == columns("t_shop_b")


def test_a_squashed_migration_counts_as_applied_where_those_it_replaces_are(
    late: Late, migrate: Callable[..., dict[str, Any]]
) -> None:
    late.add(TABLE)
    late.add(WEIGHT)
    migrate(schema_name="t_shop_a")
    squashed = late.add(TABLE, WEIGHT)
    source = (late.directory / f"{squashed}.py").read_text()
    replaces = f'replaces = [("{APP}", "0001_late"), ("{APP}", "0002_late")]'
    (late.directory / f"{squashed}.py").write_text(source.replace(f'[("{APP}", "0002_late")]', f"[]\n    {replaces}"))
    answer = migrate()
    assert answer["migrated"] == 1
    assert columns("t_shop_a") == columns("t_shop_b")
    assert applied("t_shop_b")[-1] == "0003_late"
    assert migrate(check=True)["stale"] == []


def test_django_tenants_own_command_goes_on_where_this_one_ended(
    late: Late, migrate: Callable[..., dict[str, Any]]
) -> None:
    """It can do what this one leaves to it: go back, for one. It also notes the shared apps' migrations everywhere."""
    late.add(TABLE)
    migrate()
    late.add(WEIGHT)
    call_command("migrate", verbosity=0, interactive=False)
    assert applied("t_shop_a") == applied("t_shop_b") == ["0001_late", "0002_late"]
    call_command("migrate", APP, "0001", schema_name="t_shop_a", verbosity=0, interactive=False)
    assert applied("t_shop_a") == ["0001_late"]
    assert migrate()["migrated"] == 1
    assert columns("t_shop_a") == columns("t_shop_b")


def test_finding_what_is_behind_takes_as_many_queries_for_many_tenants_as_for_few(tenants: Any) -> None:
    few, many = ["t_shop_a"], ["t_shop_a", "t_shop_b"] * 100
    counts = []
    for names in (few, many):
        with CaptureQueriesContext(connection) as queries:
            assert migrating.survey(names).stale == []
        counts.append(len(queries))
    assert counts == [2, 2]


def test_the_script_for_new_tenants_is_recorded_with_it(late: Late, migrate: Callable[..., dict[str, Any]]) -> None:
    late.add(TABLE)
    SchemaScript.objects.all().delete()
    scripts._known.clear()
    migrate()
    assert SchemaScript.objects.filter(fingerprint=scripts.fingerprint()).exists()


def test_what_people_read(late: Late, capsys: pytest.CaptureFixture[str]) -> None:
    late.add(TABLE)
    with pytest.raises(CommandError):
        call_command("migrate_schemas", check=True)
    assert capsys.readouterr().out.splitlines() == [
        "public: up to date",
        "tenants: 2, 0 migrated, 2 behind (t_shop_a, t_shop_b)",
    ]
    call_command("migrate_schemas", processes=1)
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["public: up to date", "tenants: 2, 2 migrated, 0 behind"]
    assert "2 of 2 tenants migrated" in said.err
    call_command("migrate_schemas", verbosity=0)
    assert capsys.readouterr() == ("", "")


def test_two_do_not_migrate_at_the_same_time(late: Late) -> None:
    late.add(TABLE)

    def other() -> None:
        call_command("migrate_schemas", processes=1, verbosity=0)
        connection.close()

    thread = Thread(target=other)
    with migrating.alone():
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        assert applied("public") == applied("t_shop_a") == []
    thread.join(60)
    assert applied("t_shop_a") == ["0001_late"]
