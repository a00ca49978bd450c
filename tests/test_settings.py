"""Production refuses to start with what only a developer's machine may have; every refusal is a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GOOD = {
    "RECOMENGINE_ENV": "production",
    "DJANGO_SECRET_KEY": "s" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "RECOMENGINE_API_KEY_PEPPER": "p" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "RECOMENGINE_ALLOWED_HOSTS": "shop.example",
    "RECOMENGINE_DASHBOARD_URL": "https://shop.example",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in GOOD}
    command = [sys.executable, "-W", "ignore", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(  # the caller looks at the exit code
        command, check=False, cwd=ROOT, env=inherited | environment, capture_output=True, text=True, timeout=180
    )


@pytest.mark.slow
def test_a_complete_production_environment_passes_the_deployment_checks() -> None:
    done = check(**GOOD)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_SECRET_KEY", ""),
        ("DJANGO_SECRET_KEY", "short"),
        ("RECOMENGINE_API_KEY_PEPPER", "local-only-recomengine_api_key_pepper-never-use-in-production"),
        ("RECOMENGINE_ALLOWED_HOSTS", ""),
        ("DATABASE_URL", ""),
        ("REDIS_URL", ""),
        ("RECOMENGINE_ENV", "prod"),
    ],
)
def test_a_default_or_missing_value_is_refused_in_one_sentence(name: str, value: str) -> None:
    done = check(**{**GOOD, name: value})
    assert done.returncode != 0
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
