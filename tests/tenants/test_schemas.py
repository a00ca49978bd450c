"""A schema that is made from the recorded script is the one that the migrations make."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from recomengine.lib import clock
from tenants import history, schemas, scripts, tenancy
from tenants.history import MigrationFailed
from tenants.models import SchemaScript
from tests.tenants.catalogue import described, rows
from tests.tenants.conftest import APP, TABLE, Late

pytestmark = pytest.mark.smoke
OF_ALL_KINDS = """
SQL = '''
CREATE FUNCTION late_touch() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.note := NEW.note || '%'; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON widgets_late FOR EACH ROW EXECUTE FUNCTION late_touch();
CREATE FUNCTION late_make() RETURNS void LANGUAGE sql AS 'CREATE TABLE late_made (id int)';
CREATE TYPE late_mood AS ENUM ('good', 'so-so');
CREATE TABLE late_parts (at timestamptz NOT NULL, mood late_mood DEFAULT 'good') PARTITION BY RANGE (at);
CREATE TABLE late_parts_2026 PARTITION OF late_parts FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2027-01-01 00:00+00');
COMMENT ON TABLE late_parts IS 'it''s; here'; -- a comment at the end'''


def fill(apps, schema_editor):
    late = apps.get_model("widgets", "Late").objects
    late.get_or_create(pk=7, defaults={"note": "it's 100 % \\\\ \\"quoted\\"; -- and {braces}"})
    late.bulk_create(late.model(note=f"n{number}") for number in range(3))
    late.filter(note="n1").update(note="changed")
    assert late.count() == 4
    with schema_editor.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO widgets_late (note, tags, created_at) VALUES (%s, %s, now())",
                           [("many", ["a"]), ("more", ["b,c"])])
        cursor.execute("SELECT setval(pg_get_serial_sequence('widgets_late', 'id'), 500)")
"""


def add_migrations_of_all_kinds(late: Late) -> None:
    late.add(
        """migrations.CreateModel("Late", [
            ("id", models.BigAutoField(primary_key=True)),
            ("note", models.CharField(max_length=80, unique=True, db_default="as new")),
            ("tags", ArrayField(models.TextField(), default=list)),
            ("created_at", models.DateTimeField(default=timezone.now)),
            ("parent", models.ForeignKey("self", models.CASCADE, null=True)),
        ], options={"constraints": [models.CheckConstraint(condition=~models.Q(note=""), name="some_note")]})"""
    )
    late.add(
        "migrations.RunSQL(SQL)",
        'migrations.RunSQL("SELECT late_make()")',
        "migrations.RunPython(fill)",
        before=OF_ALL_KINDS,
    )
    late.add(
        'migrations.AddField("Late", "weight", models.IntegerField(default=3))',
        'migrations.RenameField("Late", "note", "text")',
        'migrations.AlterField("Late", "text", models.TextField())',
    )
    late.add('AddIndexConcurrently("Late", models.Index("weight", name="late_weight"))', atomic=False)


@pytest.fixture
def made(tenants: Any) -> Iterator[None]:
    """Schemas `t_replayed` and `t_migrated` may be made; they go afterwards."""
    yield
    for schema in ("t_replayed", "t_migrated"):
        schemas.drop(schema)


def migrate_as_django_does(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
    call_command("migrate", schema_name=schema, verbosity=0, interactive=False)
    with connection.cursor() as cursor:  # it also notes the migrations of the apps in `public`, in any order
        cursor.execute(f"DELETE FROM {schema}.django_migrations WHERE NOT app = ANY(%s)", [list(history.labels())])
        cursor.execute(
            f"CREATE TEMP TABLE noted AS SELECT app, name, applied FROM {schema}.django_migrations ORDER BY id"
        )
        cursor.execute(f"TRUNCATE {schema}.django_migrations RESTART IDENTITY")
        cursor.execute(f"INSERT INTO {schema}.django_migrations (app, name, applied) SELECT * FROM noted")
        cursor.execute("DROP TABLE noted")


def search_path() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        return str(cursor.fetchone()[0])


def exists(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [schema])
        return bool(cursor.fetchone()[0])


def test_a_replayed_schema_equals_a_migrated_one(made: None) -> None:
    schemas.create("t_replayed")
    migrate_as_django_does("t_migrated")
    for what, of_migrated in described("t_migrated").items():
        assert described("t_replayed")[what] == of_migrated, what
    assert rows("t_replayed") == rows("t_migrated")
    assert {"django_migrations", "recommendations_placement"} <= set(rows("t_replayed"))


def test_whatever_migrations_do_is_replayed(late: Late, made: None) -> None:
    add_migrations_of_all_kinds(late)
    schemas.create("t_replayed")
    migrate_as_django_does("t_migrated")
    for what, of_migrated in described("t_migrated").items():
        assert described("t_replayed")[what] == of_migrated, what
        assert of_migrated, f"no {what} to compare"
    assert rows("t_replayed") == rows("t_migrated")
    assert 'it\'s 100 % \\ "quoted"; -- and {braces}' in [row["text"] for row in rows("t_replayed")["widgets_late"]]


def test_a_new_schema_says_when_it_was_made_not_when_the_script_was(late: Late, made: None) -> None:
    add_migrations_of_all_kinds(late)
    scripts.current()
    before = clock.now()
    schemas.create("t_replayed")
    with connection.cursor() as cursor:
        for table, column in (
            ("django_migrations", "applied"),
            ("recommendations_placement", "updated_at"),
            ("recommendations_placement", "created_at"),
            ("widgets_late", "created_at"),
        ):
            cursor.execute(f"SELECT min({column}), max({column}) FROM t_replayed.{table}")
            first, last = cursor.fetchone()
            assert before <= first <= last <= clock.now()


def recorded(moment: datetime) -> str:
    """The script as it would have been recorded then."""
    SchemaScript.objects.all().delete()
    scripts._known.clear()
    with time_machine.travel(moment):
        return scripts.current()


def test_the_script_does_not_depend_on_the_moment_of_its_recording(tenants: Any) -> None:
    """A date, or a value drawn at random, would be the same in every shop made from it."""
    assert recorded(clock.now()) == recorded(clock.now() + timedelta(days=400))


def test_another_migration_makes_another_script(late: Late, made: None) -> None:
    without = scripts.fingerprint()
    late.add(TABLE)
    marks = {without, scripts.fingerprint()}
    late.add('migrations.AddField("Late", "weight", models.IntegerField(default=3))')
    marks.add(scripts.fingerprint())
    assert len(marks) == 3
    schemas.create("t_replayed")
    assert any("weight" in column for column in described("t_replayed")["columns"])


def test_code_that_migrations_import_counts_for_the_script() -> None:
    names = {name for name, _ in scripts._sources()}
    assert {"recommendations:placements.py", "recommendations.0002_built_in_placements"} <= names


def test_the_script_is_kept_for_other_processes(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = scripts.current()
    scripts._known.clear()
    monkeypatch.setattr(scripts, "_record", None)
    assert scripts.current() == text


def test_scripts_of_old_releases_go(tenants: Any) -> None:
    for days in (10, 40):
        SchemaScript.objects.create(fingerprint=f"{days} days", sql="", recorded_at=clock.now() - timedelta(days=days))
    SchemaScript.objects.filter(fingerprint=scripts.fingerprint()).delete()
    scripts._known.clear()
    scripts.current()
    kept = SchemaScript.objects.values_list("fingerprint", flat=True)
    assert {"10 days", scripts.fingerprint()} <= set(kept)
    assert "40 days" not in kept


def test_what_a_killed_recorder_left_behind_is_no_obstacle(tenants: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {scripts.SCRATCH} CREATE TABLE catalog_item (id int)")
    recorded(clock.now())
    assert not exists(scripts.SCRATCH)


def test_a_migration_that_fails_leaves_no_scratch_schema_and_no_script(late: Late, made: None) -> None:
    late.add('migrations.RunSQL("SELECT 1/0")')
    with pytest.raises(MigrationFailed, match=r"widgets\.0001_late: DataError: division by zero"):
        schemas.create("t_replayed")
    assert not exists(scripts.SCRATCH)
    assert not exists("t_replayed")
    assert not SchemaScript.objects.filter(fingerprint=scripts.fingerprint()).exists()


def test_a_migration_that_names_its_schema_is_refused(late: Late) -> None:
    named = "lambda _, editor: editor.execute(f'CREATE TABLE {editor.connection.schema_name}.widgets_late (id int)')"
    late.add(f"migrations.RunPython({named})")
    with pytest.raises(MigrationFailed, match="leave it to the search path"):
        scripts.current()


def test_the_search_path_is_afterwards_what_it_was(made: None) -> None:
    with transaction.atomic():
        schemas.create("t_replayed")
        assert search_path() == "public"
    assert search_path() == "public"
    with pytest.raises(DatabaseError), transaction.atomic():
        schemas.create("t_replayed")
    assert search_path() == "public"


def test_a_schema_goes_with_the_transaction_it_was_made_in(made: None) -> None:
    with transaction.atomic():
        schemas.create("t_replayed")
        assert exists("t_replayed")
        transaction.set_rollback(True)
    assert not exists("t_replayed")
    schemas.create("t_replayed")
    assert exists("t_replayed")


def test_dropping_what_is_not_there_harms_nobody(tenants: Any) -> None:
    schemas.drop("t_replayed")
    schemas.drop('t_replayed" CASCADE; DROP SCHEMA t_shop_a CASCADE; --')
    assert exists("t_shop_a")


@pytest.fixture
def unrecorded(tenants: Any) -> None:
    SchemaScript.objects.all().delete()
    scripts._known.clear()


def test_those_who_wait_for_the_first_recording_may_hold_every_connection(unrecorded: None) -> None:
    """The pool has ten connections, and the recorder needs one more."""
    together = Barrier(10)
    connection.close()

    def make(number: int) -> None:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                together.wait(60)
                schemas.create(f"t_early_{number}")
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(make, range(10)))
        assert SchemaScript.objects.count() == 1
        assert all(exists(f"t_early_{number}") for number in range(10))
    finally:
        for number in range(10):
            schemas.drop(f"t_early_{number}")


def test_a_schema_that_lacks_a_table_has_no_other(made: None) -> None:
    schemas.create("t_replayed")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE t_replayed.catalog_item")
    with tenancy.use_schema("t_replayed"), connection.cursor() as cursor, pytest.raises(DatabaseError, match="exist"):
        cursor.execute("SELECT 1 FROM catalog_item")
    assert APP not in rows("t_replayed")
