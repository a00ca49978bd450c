"""The SDK's built files: what they weigh and how they are served."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api
from widgets import sdk_files

MOST_BYTES = 7 * 1024


@pytest.fixture
def anybody(edge: Any) -> Api:
    return Api(edge, None)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of built files to write to."""
    monkeypatch.setattr(sdk_files, "DIRECTORY", tmp_path)
    sdk_files.load.cache_clear()
    yield tmp_path
    sdk_files.load.cache_clear()


@pytest.mark.parametrize("name", ["recom.js", "recom.mjs"])
def test_everything_fits_in_seven_kilobytes(name: str) -> None:
    assert 0 < len(gzip.compress((sdk_files.DIRECTORY / name).read_bytes(), 9)) <= MOST_BYTES


@pytest.mark.parametrize("name", ["recom.js", "recom.mjs"])
def test_nothing_in_it_makes_code_of_text(name: str) -> None:
    code = (sdk_files.DIRECTORY / name).read_text()
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(|new Function", code)


@pytest.mark.parametrize(
    ("name", "kind"), [("recom.js", "text/javascript"), ("recom.mjs", "text/javascript"), ("recom.d.ts", "text/plain")]
)
def test_every_page_may_load_them(anybody: Api, name: str, kind: str) -> None:
    answer = anybody.get(f"/sdk/v1/{name}", origin="https://shop.example")
    assert answer.status == 200
    assert answer.body == (sdk_files.DIRECTORY / name).read_bytes()
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=3600"


def test_they_are_compressed_where_the_browser_takes_it(anybody: Api) -> None:
    plain = anybody.get("/sdk/v1/recom.js")
    zipped = anybody.get("/sdk/v1/recom.js", accept_encoding="gzip, deflate, br")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) <= MOST_BYTES
    assert "accept-encoding" in zipped.headers["vary"].lower()
    assert zipped.headers["etag"] != plain.headers["etag"]


def test_an_unchanged_file_is_not_sent_again(anybody: Api) -> None:
    etag = anybody.get("/sdk/v1/recom.js").headers["etag"]
    again = anybody.get("/sdk/v1/recom.js", if_none_match=etag)
    assert (again.status, again.body) == (304, b"")
    assert again.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("name", ["", "recom.css", "recom.js.map", "..", "recom-0123456789ab.js", ".js", "recom.js\n"])
def test_there_is_nothing_else(anybody: Api, name: str) -> None:
    assert anybody.get(f"/sdk/v1/{name}").status == 404


def test_a_kept_copy_never_changes(built: Path, anybody: Api) -> None:
    (built / "recom-0123456789ab.js").write_text("kept")
    answer = anybody.get("/sdk/v1/recom-0123456789ab.js")
    assert (answer.status, answer.body) == (200, b"kept")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
