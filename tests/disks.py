"""Disks that can be filled."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[None]:
    """A file system of few megabytes in the place of a directory's, with the same files."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only Linux's root can mount a small file system")
    before = directory.with_name(f"{directory.name}.before")
    directory.rename(before)
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        directory.rmdir()
        before.rename(directory)
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{before}/.", str(directory)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
        directory.rmdir()
        before.rename(directory)
