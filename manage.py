#!/usr/bin/env python3
"""Runs management commands; what is wrong with the installation is said in a sentence.

Written so that a Python too old for the project still gets as far as saying so.
"""

import os
import sys
from pathlib import Path

SETUP = "Run `make setup`, then use `.venv/bin/python manage.py`."


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"RecomEngine needs Python 3.11 or newer, and this is Python {found}. {SETUP}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
    try:
        run()
    except ModuleNotFoundError as error:
        if is_ours(error.name or ""):
            raise
        sys.exit(f"The package '{error.name}' is not installed for {sys.executable}. {SETUP}")


def run() -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


def is_ours(module: str) -> bool:
    """Whether the missing module is one of the checkout's own, so that its absence is a mistake in the code."""
    package = module.partition(".")[0]
    here = Path(__file__).resolve().parent
    return (here / package).exists() or (here / f"{package}.py").exists()


if __name__ == "__main__":
    main()
