"""The recorded script that makes a tenant's schema, so that a new shop does not wait for Django's migrations.

It is what the migrations of the tenants' apps send to the database in a scratch schema, and is kept under a fingerprint
of the code it came from. Values that Python makes anew at each run (a random number, today's date) would be those of
the recording; times of the recording become those of the replay. What a migration sends by COPY is not seen.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from inspect import getfile
from pathlib import Path
from threading import Lock
from typing import Any, Final

from django import get_version
from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader

from recomengine.lib import clock
from tenants import history
from tenants.history import MigrationFailed
from tenants.models import SchemaScript

SCRATCH: Final = "scratch_of_the_schema_script"
_KEPT: Final = timedelta(days=30)  # of no use to anybody but a version that is run again
_NOW: Final = "{the time of the replay}"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00:00")
_READS: Final = re.compile(r"\s*SELECT\b(?!.*\bsetval\s*\()", re.I | re.S)
_SEARCH_PATH: Final = re.compile(r"\s*(?:SHOW|SET)\s+search_path\b", re.I)
_CONCURRENTLY: Final = re.compile(r"(\s*(?:CREATE|DROP)\s+(?:UNIQUE\s+)?INDEX)\s+CONCURRENTLY\b", re.I)
_COMMITTED: Final = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"  # what a commit does to them
_known: dict[str, str] = {}
_one_at_a_time: Final = Lock()


def current() -> str:
    """The script of the code that runs, recorded now if it is not yet; `at` makes it ready for use."""
    mark = fingerprint()
    with _one_at_a_time:
        if mark not in _known:
            _known[mark] = _stored(mark) or _in_a_thread(lambda: _record(mark))
    return _known[mark]


def at(script: str, moment: datetime) -> str:
    """The statements that make the schema in use then, to be executed at once."""
    return script.replace(_NOW, str(moment))


@cache
def fingerprint() -> str:
    """A digest of all that the script depends on: the migrations, the product's code, and Django's version.

    Not of the migrations alone, because they import from the code: the built-in placements, for one.
    """
    digest = sha256(get_version().encode())
    for name, path in sorted(_sources()):
        digest.update(b"\0%b\0%b" % (name.encode(), path.read_bytes()))
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    """Every source the script depends on, named without the place where it happens to be installed."""
    for config in apps.get_app_configs():
        home = Path(config.path)
        if home.parent == settings.BASE_DIR:
            yield from ((f"{config.label}:{path.relative_to(home)}", path) for path in home.rglob("*.py"))
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        if label in history.labels():
            yield f"{label}.{name}", Path(getfile(type(migration)))


def _stored(mark: str) -> str | None:
    return SchemaScript.objects.filter(fingerprint=mark).values_list("sql", flat=True).first()


def _in_a_thread(job: Callable[[], str]) -> str:
    """Do it on a connection of its own, not from the pool: all of that may be with callers who wait for this."""

    def work() -> str:
        own = connections.create_connection(DEFAULT_DB_ALIAS)
        options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
        own.settings_dict = {**own.settings_dict, "OPTIONS": options}
        connections[DEFAULT_DB_ALIAS] = own
        try:
            return job()
        finally:
            own.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _record(mark: str) -> str:
    """Record and keep the script, unless another process was quicker; the lock ends with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('schema script', 0))")
    if stored := _stored(mark):
        return stored
    with _scratch():
        statements = _statements()
    sql = "\n;\n".join(statements)
    if SCRATCH in sql:
        raise MigrationFailed("A migration writes the name of its schema into its SQL; leave it to the search path.")
    SchemaScript.objects.filter(recorded_at__lt=clock.now() - _KEPT).delete()
    SchemaScript.objects.create(fingerprint=mark, sql=sql)
    return sql


@contextmanager
def _scratch() -> Iterator[None]:
    """An empty schema for the block; what a killed process left of it goes first."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SCRATCH} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SCRATCH}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {SCRATCH} CASCADE")


def _statements() -> list[str]:
    """What the migrations send to the database, as text, all but what only reads."""
    began, statements = clock.now(), list[str]()

    def listen(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        texts = list(_texts(context["cursor"].cursor, sql, params, many)) if _matters(sql, params) else []
        result = execute(sql, params, many, context)
        statements.extend(_replayable(text, began) for text in texts)
        transaction.on_commit(committed)
        return result

    def committed() -> None:
        if statements and statements[-1] != _COMMITTED:
            statements.append(_COMMITTED)

    with connection.execute_wrapper(listen):
        history.begin(SCRATCH)
        history.Point(frozenset()).migrate(SCRATCH)
    return statements


def _matters(sql: str, params: Any) -> bool:
    """Whether a statement may change something; a SELECT of RunSQL, which has no parameters, may call what does."""
    return not _SEARCH_PATH.match(sql) and (params is None or not _READS.match(sql))


def _texts(cursor: Any, sql: str, params: Any, many: bool) -> Iterator[str]:
    """The statement with its parameters written into it, or one for each set of them."""
    for one in params if many else [params]:
        yield sql if one is None else cursor.mogrify(sql, one)


def _replayable(text: str, began: datetime) -> str:
    """With the times of the recording left open, and fit for a transaction: a new schema has nobody to keep waiting."""

    def left_open(found: re.Match[str]) -> str:
        return _NOW if began <= datetime.fromisoformat(found[0]) <= clock.now() else found[0]

    return _CONCURRENTLY.sub(r"\1", _TIME.sub(left_open, text), count=1)
