"""`manage.py migrate_schemas`: every schema up to date."""

import os
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.core.management.commands import migrate as django_migrate

from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import migrating, scripts
from tenants.history import MigrationFailed
from tenants.migrating import Stale, Survey

SAY_EVERY: Final = 2.0  # seconds between lines where the output is not a terminal
NAMED: Final = 10


class Command(OperatorCommand):
    help = (
        "Migrate `public`, then the schema of every tenant that is behind, suspended and deleted ones too, in several "
        "processes. The first tenant that fails is named and ends it: those under way are finished, the others are "
        "left. Whatever ends it, run it again and it goes on: each migration of a schema is done whole or not at all."
    )
    examples = ("", "--check --json", "--schema t_gift_shop")
    _said = 0.0

    def add_own_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "-s", "--schema", dest="schema_name", metavar="NAME", help="migrate this tenant's schema only"
        )
        which.add_argument("--shared", action="store_true", help="migrate public only")
        parser.add_argument(
            "--check", action="store_true", help="change nothing; name what is behind, exit 1 if any is"
        )
        parser.add_argument(
            "--processes", type=_count, default=os.cpu_count() or 1, metavar="N", help="default: one for each core"
        )
        parser.add_argument(
            "--noinput", "--no-input", dest="interactive", action="store_false", help="nothing is ever asked anyway"
        )

    def run(
        self, *, schema_name: str | None, shared: bool, check: bool, processes: int, verbosity: int, **_: Any
    ) -> dict[str, Any]:
        if check:
            pending = None if schema_name else migrating.pending_in_public()
            return _answer(pending, _survey(schema_name, shared))
        began = time.monotonic()
        with migrating.alone():
            applied = None if schema_name else self._migrate_public(verbosity)
            failed = "" if schema_name else self._record()
            found, done = _survey(schema_name, shared), set[str]()
            if found and not failed:
                done, failed = self._migrate(found.stale, processes, verbosity)
        return _answer(applied, found, done, failed) | {"seconds": round(time.monotonic() - began, 1)}

    def _migrate_public(self, verbosity: int) -> list[str]:
        pending = migrating.pending_in_public()
        call_command(
            django_migrate.Command(), interactive=False, verbosity=verbosity if pending else 0, stdout=sys.stderr
        )
        return pending

    def _record(self) -> str:
        """Record the script of new tenants, so that the first one does not wait for it; what went wrong."""
        try:
            scripts.current()
        except MigrationFailed as error:
            return f"The migrations fail in an empty schema; no tenant was touched.\n{error}"
        return ""

    def _migrate(self, stale: Sequence[Stale], processes: int, verbosity: int) -> tuple[set[str], str]:
        """The schemas that were migrated, and what ended it early."""
        done = set[str]()
        try:
            for schema in migrating.migrate(stale, processes):
                done.add(schema)
                if verbosity:
                    self._say(len(done), len(stale))
        except MigrationFailed as error:
            return done, str(error)
        except BrokenProcessPool:
            return done, "A process was ended from outside before it had finished its tenant."
        except KeyboardInterrupt:
            return done, "Stopped."
        finally:
            if verbosity and len(done) < len(stale) and self.stderr.isatty():
                self.stderr.write("")  # ends the line of the progress
        return done, ""

    def _say(self, done: int, of: int) -> None:
        """Progress: on one line of a terminal, elsewhere a line every two seconds."""
        terminal, now = self.stderr.isatty(), time.monotonic()
        if terminal or now - self._said >= SAY_EVERY or done == of:
            self._said = now
            text = f"{done} of {of} tenants migrated"
            self.stderr.write(f"\r{text}" if terminal else text, str, "\n" if done == of or not terminal else "")

    def text(self, answer: dict[str, Any]) -> str:
        lines = []
        if answer["public"] is not None:
            verb = "migrated by" if "seconds" in answer else "behind by"
            lines.append(f"public: {verb} {_named(answer['public'])}" if answer["public"] else "public: up to date")
        if answer["tenants"] is not None:
            behind = f"{len(answer['stale'])} behind" + (f" ({_named(answer['stale'])})" if answer["stale"] else "")
            lines.append(f"tenants: {answer['tenants']}, {answer['migrated']} migrated, {behind}")
        lines += [f"broken: {schema}: {why}" for schema, why in answer["broken"].items()]
        return "\n".join(lines + ([f"{answer['seconds']} s"] if "seconds" in answer else []))

    def complaint(self, answer: dict[str, Any]) -> str:
        if answer["failed"]:
            return f"{answer['failed']}\nRun the command again to go on."
        if answer["broken"]:
            return f"Broken schemas: {_named(list(answer['broken']))}. Restore them, or delete these tenants."
        if "seconds" not in answer and (answer["public"] or answer["stale"]):
            return "Behind the migrations; run `manage.py migrate_schemas`."
        return ""


def _survey(schema_name: str | None, shared: bool) -> Survey | None:
    if shared:
        return None
    schemas = migrating.of_tenants()
    if schema_name and schema_name not in schemas:
        raise DomainError("not_found", f"No tenant has a schema {schema_name!r}; `manage.py list_tenants` shows them.")
    return migrating.survey([schema_name] if schema_name else schemas)


def _answer(
    public: list[str] | None, found: Survey | None, done: Collection[str] = (), failed: str = ""
) -> dict[str, Any]:
    """What is said: of `public` the migrations, of the tenants numbers and names; null for what was not looked at."""
    stale = [one.schema for one in found.stale if one.schema not in done] if found else []
    return {
        "public": public,
        "tenants": found.count if found else None,
        "migrated": len(done),
        "stale": stale,
        "broken": found.broken if found else {},
        "failed": failed,
    }


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of processes; use 1 or more.")
    return int(text)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
