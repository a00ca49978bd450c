"""Compressed bodies: read, refused, and never inflated beyond the limit."""

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomengine.lib.errors import DomainError
from recomengine.lib.inflating import MAX_MEMBERS, inflated

MOST = 1024 * 1024


def code_of(body: bytes, encoding: str, most: int = MOST) -> str:
    with pytest.raises(DomainError) as caught:
        inflated(body, encoding, most)
    return caught.value.code


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.sampled_from(["gzip", "x-gzip", " GZIP "]))
def test_gzip_of_one_member_or_several(parts: list[bytes], encoding: str) -> None:
    assert inflated(b"".join(map(gzip.compress, parts)), encoding, MOST) == b"".join(parts)


@given(st.binary(max_size=200))
def test_deflate_and_nothing(body: bytes) -> None:
    assert inflated(zlib.compress(body), "deflate", MOST) == body
    assert inflated(body, None, MOST) == inflated(body, "", MOST) == inflated(body, "identity", MOST) == body


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for encoding in ("gzip", "deflate"):
        with suppress(DomainError):
            assert len(inflated(body, encoding, MOST)) <= MOST


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_damaged(encoding: str) -> None:
    whole = gzip.compress(b"abc" * 100) if encoding == "gzip" else zlib.compress(b"abc" * 100)
    broken = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    for body in (b"", whole[:-1], whole[:5], broken, whole + b"rest", b'{"events": []}'):
        assert code_of(body, encoding) == "malformed_encoding", body


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip,identity", "x" * 1_000])
def test_what_nobody_reads_here(encoding: str) -> None:
    assert code_of(gzip.compress(b"{}"), encoding) == "unsupported_encoding"


def test_the_limit_is_that_of_what_comes_out() -> None:
    exactly = gzip.compress(b"x" * MOST)
    assert len(inflated(exactly, "gzip", MOST)) == MOST
    assert code_of(gzip.compress(b"x" * (MOST + 1)), "gzip") == "payload_too_large"
    assert code_of(exactly + gzip.compress(b"x"), "gzip") == "payload_too_large"


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(bytes(100 * MOST))
    tracemalloc.start()
    assert code_of(bomb, "gzip") == "payload_too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MOST


def test_members_are_counted_because_each_costs_a_copy_of_the_rest() -> None:
    assert inflated(gzip.compress(b"x") * MAX_MEMBERS, "gzip", MOST) == b"x" * MAX_MEMBERS
    assert code_of(gzip.compress(b"") * (MAX_MEMBERS + 1), "gzip") == "malformed_encoding"
