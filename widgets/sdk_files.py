"""The SDK's built files at addresses of their own, readable from every shop's pages.

`/sdk/v1/recom.js` moves with each release of version 1. `/sdk/v1/recom-<hash>.js` never changes: `npm run release`
keeps that copy beside it, for pages that name the file's integrity hash.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "recomengine" / "static" / "sdk" / "v1"
TYPES: Final = {".js": "text/javascript", ".mjs": "text/javascript", ".ts": "text/plain"}
_NAME: Final = re.compile(r"recom(?P<hash>-[0-9a-f]{12})?(\.d\.ts|\.js|\.mjs)\Z")


@dataclass(frozen=True)
class SdkFile:
    """A file as it is sent: its bytes, the same compressed, and a hash of what it holds."""

    body: bytes
    zipped: bytes
    content_type: str
    digest: str
    immutable: bool


@lru_cache(maxsize=32)
def load(name: str) -> SdkFile | None:
    """The built file of that name; None if there is none."""
    match, path = _NAME.match(name), DIRECTORY / name
    if match is None or not path.is_file():
        return None
    body = path.read_bytes()
    kind = f"{TYPES[path.suffix]}; charset=utf-8"
    return SdkFile(
        body, gzip.compress(body, 9, mtime=0), kind, hashlib.sha256(body).hexdigest()[:32], bool(match["hash"])
    )


@require_safe
def serve(request: HttpRequest, name: str) -> HttpResponseBase:
    """One file of the SDK, compressed where the browser takes it: it is public and holds no secret."""
    file = load(name)
    if file is None:
        raise Http404
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    etag = f'"{file.digest}{"-gzip" if zipped else ""}"'
    response = HttpResponse(file.zipped if zipped else file.body, content_type=file.content_type)
    if zipped:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = etag
    response["Vary"] = "Accept-Encoding"
    response["Cache-Control"] = "public, max-age=31536000, immutable" if file.immutable else "public, max-age=3600"
    answer = get_conditional_response(request, etag=etag, response=response) or response
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer
