import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recomengine.local import lifecycle

BOTH = ("postgres", "valkey")


def new_checkout() -> Path:
    """A directory that every account may enter; pytest's own are closed, which for root is a case of its own."""
    directory = Path(tempfile.mkdtemp(prefix="checkout-"))
    directory.chmod(0o755)
    return directory


def delete_checkout(root: Path) -> None:
    lifecycle.reset(root)
    shutil.rmtree(root)


@pytest.fixture
def checkout() -> Iterator[Path]:
    root = new_checkout()
    yield root
    delete_checkout(root)


@pytest.fixture(scope="module")
def shared_checkout() -> Iterator[Path]:
    root = new_checkout()
    yield root
    delete_checkout(root)


@pytest.fixture
def running_checkout(shared_checkout: Path) -> Path:
    """A checkout whose services run; a module's tests share it, and each finds whatever data the others left."""
    lifecycle.start(shared_checkout, services=BOTH)
    return shared_checkout


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has this case")
