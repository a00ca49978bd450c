"""What `manage.py` says when the installation or the environment is at fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import manage
from recomengine.local import paths


def manage_py(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=False,
        cwd=paths.CHECKOUT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def missing(directory: Path, package: str) -> dict[str, str]:
    """An environment in which that package is as good as not installed."""
    absent = f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')"
    (directory / f"{package}.py").write_text(absent)
    return {"PYTHONPATH": str(directory)}


@pytest.mark.parametrize("package", ["django", "structlog"])
def test_a_missing_package_leads_to_make_setup(tmp_path: Path, package: str) -> None:
    done = manage_py("services", "status", **missing(tmp_path, package))
    assert done.returncode == 1
    assert f"The package '{package}' is not installed" in done.stderr
    assert "Run `make setup`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_a_sentence() -> None:
    done = manage_py("check", RECOMENGINE_ENV="nonsense")
    assert (done.returncode, done.stderr) == (1, "RECOMENGINE_ENV is 'nonsense'; set it to 'local' or 'production'.\n")


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, and this is Python 3\.8"):
        manage.main()


def test_a_module_missing_from_our_own_code_keeps_its_traceback() -> None:
    assert manage.is_ours("recomengine.no_such_module")
    assert manage.is_ours("manage")
    assert not manage.is_ours("no_such_package")
