import os
import stat
from pathlib import Path

import pytest

from recomengine.local.accounts import Account, calling_account, make_private_dir, postgres_account, remove_tree
from recomengine.local.errors import LocalServicesError


def test_a_private_directory_is_closed_to_others_whatever_it_was(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(0o777)
    make_private_dir(directory, calling_account())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_link_or_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalServicesError, match="belongs to another account"):
        make_private_dir(tmp_path / "run", calling_account())


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, 54321, 54321)
    with pytest.raises(LocalServicesError, match="belongs to another account"):
        make_private_dir(directory, Account(12345, 12345))


@pytest.mark.usefixtures("as_root")
def test_root_gives_the_directory_to_the_account_of_postgres(tmp_path: Path) -> None:
    account = postgres_account()
    make_private_dir(tmp_path / "run", account)
    make_private_dir(tmp_path / "run", account)
    assert account.uid != 0
    assert (tmp_path / "run").stat().st_uid == account.uid


def test_deleting_a_link_spares_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "nothing")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]
