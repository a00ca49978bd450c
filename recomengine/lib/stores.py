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
_PIECE: Final = 1024 * 1024


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

    def write(self, name: str | Callable[[str], str], fill: Callable[[BinaryIO], object]) -> str:
        """Make a file of what `fill` writes and return its SHA-256, of which `name` may make its name.

        It has its name once it is whole, on disk, and was read back.
        """
        self.files.makedirs(self.path, exist_ok=True)
        aside = f"{secrets.token_hex(8)}{_ASIDE}"
        try:
            with self.files.open(self.path_of(aside), "wb") as file:
                sink = Digested(cast(BinaryIO, file))
                fill(cast(BinaryIO, sink))
                file.flush()
                if isinstance(self.files, LocalFileSystem):
                    os.fsync(file.fileno())
            digest = sink.digest.hexdigest()
            if self.digest_of(aside) != digest:
                raise OSError(f"{self.path_of(aside)} is not what was written: its SHA-256 differs")
            self.files.mv(self.path_of(aside), self.path_of(name if isinstance(name, str) else name(digest)))
        finally:
            if self.has(aside):
                self.remove_file(aside)
        return digest

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}"

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self.files.open(self.path_of(name), "rb"))

    def read(self, name: str) -> bytes:
        return bytes(self.files.cat_file(self.path_of(name)))

    def digest_of(self, name: str) -> str:
        """The SHA-256 of a file as it is."""
        with self.open(name) as file:
            found = sha256()
            while piece := file.read(_PIECE):
                found.update(piece)
        return found.hexdigest()

    def has(self, name: str) -> bool:
        return bool(self.files.exists(self.path_of(name)))

    def remove_file(self, name: str) -> None:
        self.files.rm_file(self.path_of(name))

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
