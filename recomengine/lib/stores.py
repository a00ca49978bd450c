"""Folders of files in a directory or wherever fsspec reaches: written whole, known by their digests."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO, Final, Self, cast

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

_ASIDE: Final = ".writing"


class Digested:
    """A file to write to that knows the digest of what was written."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a store; whatever the store objects to is an OSError."""

    files: AbstractFileSystem
    path: str

    @classmethod
    def at(cls, store: str, *names: str) -> Self:
        """The folder of those names in a store, a directory's path or an address such as s3://bucket/models."""
        files, root = url_to_fs(store)
        return cls(files, "/".join((root.rstrip("/"), *names)))

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return str(self.files.unstrip_protocol(self.path))

    def write(self, name: str, fill: Callable[[BinaryIO], object]) -> str:
        """Make a file of what `fill` writes and return its SHA-256; it has its name once it is whole and on disk."""
        self.files.makedirs(self.path, exist_ok=True)
        aside = f"{self.path}/{secrets.token_hex(8)}{_ASIDE}"
        try:
            with self.files.open(aside, "wb") as file:
                sink = Digested(cast(BinaryIO, file))
                fill(cast(BinaryIO, sink))
                file.flush()
                if isinstance(self.files, LocalFileSystem):
                    os.fsync(file.fileno())
            self.files.mv(aside, f"{self.path}/{name}")
        finally:
            if self.files.exists(aside):
                self.files.rm_file(aside)
        return sink.digest.hexdigest()

    def read(self, name: str) -> bytes:
        return bytes(self.files.cat_file(f"{self.path}/{name}"))

    def has(self, name: str) -> bool:
        return bool(self.files.exists(f"{self.path}/{name}"))

    def names(self) -> list[str]:
        """What lies in it, in order; nothing if it is not there."""
        self.files.invalidate_cache(self.path)  # an object store's listing may be another process's
        if not self.files.exists(self.path):
            return []
        return sorted(str(found).rstrip("/").rsplit("/", 1)[-1] for found in self.files.ls(self.path, detail=False))

    def remove(self) -> None:
        """Remove it with all that lies in it; it may be gone already."""
        if self.files.exists(self.path):
            self.files.rm(self.path, recursive=True)
