"""The product's processes as the demo runs them, and whether they are ready."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

from django.conf import settings

from recomengine.local.supervisor import Child

HOST = "127.0.0.1"


def children(root: Path) -> list[Child]:
    """API, dashboard, and the worker with beat inside: one process each, enough for one person looking."""
    python = [sys.executable, "-m"]
    granian = [*python, "granian", "--host", HOST, "--no-ws", "--log-level", "warning", "--workers-kill-timeout", "5"]
    schedule = root / ".local" / "beat-schedule"
    celery = [sys.executable, "-m", "celery", "-A", "recomengine.celery", "worker"]
    return [
        Child(
            "api", [*granian, "--port", str(settings.API_PORT), "--interface", "asgi", "recomengine.edge:application"]
        ),
        Child(
            "dashboard",
            [*granian, "--port", str(settings.DASHBOARD_PORT), "--interface", "wsgi", "recomengine.wsgi:application"],
        ),
        Child("worker", [*celery, "--pool", "solo", "--beat", "--schedule", str(schedule), "--loglevel", "INFO"]),
    ]


def answering() -> bool:
    """Whether API and dashboard both answer and find their database and cache."""
    return all(_ready(f"http://{HOST}:{port}/readyz") for port in (settings.API_PORT, settings.DASHBOARD_PORT))


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
