"""Imports that somebody is about to start: the file, or the beginning of what lies at a URL, while columns are chosen.

`<store>/<slug>/draft-<token>` is the file and `….json` the rest; `imports.storing` removes what was abandoned.
"""

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from catalog import addresses, fetching
from catalog.importing.kind import FILES
from imports import storing
from imports.requesting import name_of
from recomengine.lib.errors import DomainError
from tenants.types import TenantRef

HEAD: Final = 1024 * 1024
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


class Draft(msgspec.Struct, frozen=True):
    """What will be imported; with a `name` it is remembered as a source, `source` is the key of one that exists.

    Of a URL only the beginning is kept, as much as `HEAD`; `is_whole` if there is no more of it.
    """

    token: str
    filename: str = ""
    content_type: str = ""
    url: str = ""
    name: str = ""
    every_hours: int | None = None
    source: str | None = None
    is_whole: bool = True

    @property
    def title(self) -> str:
        return self.filename or addresses.redacted(self.url)


def of_file(tenant: TenantRef, draft: Draft, chunks: Iterable[bytes]) -> Draft:
    """Keep an upload; raises `payload_too_large`, and `invalid` for an empty one."""
    with _new(tenant, draft) as file:
        storing.receive(chunks, file)
    return _keep(tenant, msgspec.structs.replace(draft, filename=name_of(draft.filename)))


def of_url(tenant: TenantRef, draft: Draft) -> Draft:
    """Keep the beginning of what lies at the draft's URL; raises what `fetching.fetch` raises."""
    addresses.parse(draft.url)
    with _new(tenant, draft) as file:
        fetched = fetching.fetch(draft.url, file, head=HEAD)
        is_whole = file.tell() < HEAD
    named = msgspec.structs.replace(
        draft, filename=fetched.filename, content_type=fetched.content_type, is_whole=is_whole
    )
    return _keep(tenant, named)


def new_token() -> str:
    return secrets.token_hex(16)


def get(tenant: TenantRef, token: str) -> Draft:
    """The draft of that token; `not_found` if it was never there, was started, or lay too long."""
    try:
        if _TOKEN.fullmatch(token):
            return msgspec.json.decode(_about(tenant, token).read_bytes(), type=Draft)
    except FileNotFoundError:
        pass
    raise DomainError("not_found", "That import was started already, or lay too long. Choose the file again.")


def opened(tenant: TenantRef, draft: Draft) -> BinaryIO:
    return _file(tenant, draft.token).open("rb")


def discard(tenant: TenantRef, draft: Draft) -> None:
    """Forget it; it may be gone already."""
    _about(tenant, draft.token).unlink(missing_ok=True)
    _file(tenant, draft.token).unlink(missing_ok=True)


class _new:
    """The draft's new file; it goes again if the block fails."""

    def __init__(self, tenant: TenantRef, draft: Draft) -> None:
        self.path = _file(tenant, draft.token)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = self.path.open("xb")

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(self, kind: object, *_: object) -> None:
        self.file.close()
        if kind is not None:
            self.path.unlink()


def _keep(tenant: TenantRef, draft: Draft) -> Draft:
    _about(tenant, draft.token).write_bytes(msgspec.json.encode(draft))
    return draft


def _file(tenant: TenantRef, token: str) -> Path:
    return FILES.home(tenant) / f"draft-{token}"


def _about(tenant: TenantRef, token: str) -> Path:
    return FILES.home(tenant) / f"draft-{token}.json"
