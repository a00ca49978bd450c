"""What a shell sees of the operators' commands: exit codes, and which stream says what."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from recomengine.local import paths
from tenants.models import Tenant

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _with_a_database(tenants: tuple[Tenant, Tenant]) -> None:
    pass


def manage_py(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], check=False, cwd=paths.CHECKOUT, env=environment,
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def database_url() -> str:
    """The test's own database, for another process."""
    found = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return " ".join(f"{name}='{found[key]}'" for name, key in names.items() if found[key])


def test_exit_codes_of_real_processes() -> None:
    done = manage_py("list_tenants", "--json")
    assert (done.returncode, {row["slug"] for row in json.loads(done.stdout)}) == (0, {"shop-a", "shop-b"})
    said = manage_py("show_tenant", "no-shop")
    assert (said.returncode, said.stdout, said.stderr) == (1, "", "CommandError: There is no tenant 'no-shop' here.\n")
    machine = manage_py("show_tenant", "no-shop", "--json")
    assert (machine.returncode, machine.stderr) == (1, "")
    assert json.loads(machine.stdout)["error"]["code"] == "not_found"
    nobody = manage_py("delete_tenant", "shop-a", "--json")
    assert (nobody.returncode, json.loads(nobody.stdout)["error"]["code"]) == (1, "invalid")
    wrong = manage_py("create_key", "shop-a", "admin")
    assert wrong.returncode == 2
    assert "invalid choice: 'admin'" in wrong.stderr


def test_a_server_that_is_away_is_a_refusal_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        done = manage_py("list_tenants", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "store_unavailable")
    assert "Traceback" not in done.stderr
