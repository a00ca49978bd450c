"""Tables, JSON Lines, compression, encodings, and telling formats apart."""

import gzip
import io
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from catalog.feeds.reading import detect, read
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds import opening
from recomengine.lib.feeds.types import MAX_ROW, FeedBroken, Record, RowError
from tests.catalog.feeds.items import read_items

ROOT = Path(__file__).parents[3]


def rows(data: bytes | str, format: Format = Format.CSV) -> list[Any]:
    return list(read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), format))


def broken(data: bytes, format: Format = Format.CSV) -> tuple[list[Any], str, int]:
    """The rows before the place where the file breaks, why, and the line."""
    found = []
    with pytest.raises(FeedBroken) as caught:  # noqa: PT012
        for row in read(io.BytesIO(data), format):
            found.append(row)  # noqa: PERF402
    return found, caught.value.code, caught.value.line


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(delimiter: str, ending: str) -> None:
    lines = [["id", "name", "note"], ["1", "Cup", ""], ["2", "Mug", "x"]]
    data = ending.join(delimiter.join(line) for line in lines)
    assert rows(data) == [
        Record(2, {"id": "1", "name": "Cup", "note": ""}),
        Record(3, {"id": "2", "name": "Mug", "note": "x"}),
    ]


def test_rows_know_the_line_on_which_they_begin() -> None:
    found = rows('id,title\n\n1,"two\nlines, ""quoted"""\n , \n,\n2,b\n')
    assert [(row.line, row.columns["title"]) for row in found] == [
        (3, 'two\nlines, "quoted"'),
        (5, " "),  # not empty: that would be dropping something
        (7, "b"),
    ]


def test_rows_of_another_width_name_both_numbers() -> None:
    few, good, many = rows("id,title,brand\n1,a\n2,b,c\n3,d,e,f\n")
    assert isinstance(few, RowError)
    assert (few.line, few.code) == (2, "wrong_number_of_columns")
    assert "2 columns" in few.message
    assert "3" in few.message
    assert isinstance(good, Record)
    assert isinstance(many, RowError)
    assert (many.line, many.code) == (4, "wrong_number_of_columns")


def test_quotes_that_are_wrong() -> None:
    bad, good = rows('id,title\n1,"12" pan"\n2,b\n')
    assert isinstance(bad, RowError)
    assert (bad.line, bad.code) == (2, "malformed_row")
    assert good == Record(3, {"id": "2", "title": "b"})
    found, code, line = broken(b'id,title\n1,a\n2,"never closed\n3,c\n')
    assert ([row.line for row in found], code, line) == ([2], "unclosed_quote", 3)


def test_headers() -> None:
    assert broken(b"id,title,id\n1,a,2\n") == ([], "duplicate_column", 1)
    assert broken(b"\n \n")[1] == "empty"
    assert broken(b"")[1] == "empty"
    assert rows("id,, title \n1,x,a\n") == [Record(2, {"id": "1", "column_2": "x", "title": "a"})]
    assert rows("sep=;\nid;title\n1;a,b\n") == [Record(3, {"id": "1", "title": "a,b"})]
    assert rows("id,title\n") == []


def test_a_row_without_end() -> None:
    for data in (b'id,title\n1,a\n2,"' + b"x" * (MAX_ROW + 9), b'id,title\n1,a\n2,"' + b"x\n" * MAX_ROW):
        found, code, _ = broken(data)
        assert (len(found), code) == (1, "row_too_large")


def test_merchants_text_feeds() -> None:
    header = "id\tImage link\tproduct type\tshipping\tshipping\tproduct_detail\tg:title"
    cells = ["1", "https://a.example/1.jpg", '"""Home, Garden > Pots"",""Gifts"""', "DE:4 EUR", "AT:5 EUR"]
    (row,) = rows(
        "\n".join([header, "\t".join([*cells, '"Size:Height:9 cm,Size:Width:7 cm"', "A pot"])]), Format.MERCHANT_TSV
    )
    assert row.columns == {
        "id": "1",
        "image_link": "https://a.example/1.jpg",
        "product_type": ["Home, Garden > Pots", "Gifts"],
        "shipping": ["DE:4 EUR", "AT:5 EUR"],
        "product_detail": {"Height": "9 cm", "Width": "7 cm"},
        "title": "A pot",
    }
    (item,) = read_items(b'id,title,link,product_type\n1,a,,"Shoes, Bags > Belts"\n', Format.MERCHANT_TSV)
    assert isinstance(item, ItemIn)
    assert item.categories == ["Shoes, Bags > Belts"]


def test_json_lines() -> None:
    data = '{"id": 1}\n\n[1]\n{"id": \n{"title": "cup\\ud83d"}\n{"x": "' + "y" * MAX_ROW + '"}\n{"id": 2}'
    one, array, half, emoji, large, two = rows(data, Format.JSONL)
    assert one == Record(1, {"id": 1})
    assert (array.line, array.code, array.value) == (3, "malformed_json", "[1]")
    assert (half.line, half.code, half.value) == (4, "malformed_json", '{"id":')
    assert emoji == Record(5, {"title": "cup\ufffd"})
    assert (large.line, large.code) == (6, "row_too_large")
    assert two == Record(7, {"id": 2})


def test_a_json_array() -> None:
    assert rows('[ {"id": "]{"},\n {"id": "\\"", "x": [{}]} ]\n', Format.JSONL) == [
        Record(1, {"id": "]{"}),
        Record(2, {"id": '"', "x": [{}]}),
    ]
    found, code, number = broken(b'[{"id": 1}, {"id"', Format.JSONL)
    assert (len(found), code, number) == (1, "malformed_json", 2)
    assert broken(b'[{"id": 1}][{"id": 2}]', Format.JSONL)[1] == "malformed_json"
    long = [{"id": str(number), "title": "[" * (number % 70)} for number in range(9000)]
    assert [row.columns for row in rows(msgspec.json.encode(long), Format.JSONL)] == long


@pytest.mark.parametrize("format", Format)
def test_the_columns_of_a_table_are_told_before_its_rows(format: Format) -> None:
    told: list[list[str]] = []
    data = b"sep=;\n Id ;Image Link;;Id2\n" if format is Format.CSV else b"Id\tg:Image Link\tshipping\tshipping\n"
    with suppress(FeedBroken):
        list(read(io.BytesIO(data), format, look=told.append))
    tables = {
        Format.CSV: [["Id", "Image Link", "column_3", "Id2"]],
        Format.MERCHANT_TSV: [["id", "image_link", "shipping"]],
    }
    assert told == tables.get(format, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL])
def test_encodings(encoding: str, format: Format) -> None:
    text = "id,title\n1,Müsli – 5 €\n" if format is Format.CSV else '{"id": "1", "title": "Müsli – 5 €"}'
    assert rows(text.encode(encoding), format)[0].columns == {"id": "1", "title": "Müsli – 5 €"}
    assert rows(gzip.compress(text.encode(encoding)), format) == rows(text.encode(encoding), format)


def test_no_character_zero_crashes_anything() -> None:
    (error,) = read_items(b"id,title,x\x00y\n1,a\x00b,c\n", Format.CSV)
    assert isinstance(error, RowError)
    assert (error.code, error.field, error.value) == ("invalid", "title", "a\ufffdb")


def test_gzip() -> None:
    members = gzip.compress(b"id,title\n1,a\n") + gzip.compress(b"2,b\n")
    assert [row.columns["id"] for row in rows(members)] == ["1", "2"]
    data = b"id,title\n" + b"".join(b"%d,title %d\n" % (number, number * 7919) for number in range(20_000))
    packed = gzip.compress(data)
    found, code, _ = broken(packed[: len(packed) // 2])
    assert code == "truncated"
    assert len(found) > 5_000
    damaged = packed[:-6] + b"\0\0\0\0\0\0"
    found, code, _ = broken(damaged)
    assert (code, len(found)) == ("malformed_gzip", 20_000)


def test_how_far_a_file_was_read() -> None:
    data = b"id,title\n" + b"".join(b"%d,a title\n" % number for number in range(50_000))
    file = io.BytesIO(data)
    places = [file.tell() for index, _ in enumerate(read(file, Format.CSV)) if index % 12_500 == 0]
    assert places == sorted(set(places))
    assert places[0] < 300_000
    assert file.tell() == len(data)


def test_a_gzip_bomb_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES", 30_000_000)
    rows_of_a_megabyte = gzip.compress(b"id,title\n" + (b"1," + b"x" * 1_000_000 + b"\n") * 40)
    tracemalloc.start()
    source = read(io.BytesIO(rows_of_a_megabyte), Format.CSV)
    with pytest.raises(FeedBroken) as caught:
        assert sum(1 for _ in source) < 30
    assert caught.value.code == "too_large"
    assert tracemalloc.get_traced_memory()[1] < 25_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("format", [Format.CSV, Format.MERCHANT_TSV, Format.JSONL])
def test_blank_lines_without_end_are_a_row_without_end(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recomengine.lib.feeds.tables.MAX_ROW", 100_000)
    monkeypatch.setattr("recomengine.lib.feeds.documents.MAX_ROW", 100_000)
    assert broken(gzip.compress(b"id,title\n" + b"\n" * 200_000), format)[1] == "row_too_large"


@pytest.mark.parametrize(
    ("data", "name", "type", "format"),
    [
        (b"item_id,title\n1,a\n", "", "", Format.CSV),
        (b"id;name;price\n", "feed.txt", "text/plain", Format.CSV),
        (b"id\ttitle\tlink\n", "feed.txt", "text/plain", Format.MERCHANT_TSV),
        (b"ID,Title,Image Link\n", "", "", Format.MERCHANT_TSV),
        (b'{"item_id": "1"}\n{', "", "", Format.JSONL),
        (b'[{"item_id": "1"}]', "products.json", "application/json", Format.JSONL),
        (b'{"products":[{"id":1', "", "", Format.SHOPIFY),
        (b' [{"id": 1, "body_html": ""', "", "", Format.SHOPIFY),
        (b"<?xml version='1.0'?><rss>", "", "", Format.MERCHANT_XML),
        ("\ufeff<feed>".encode("utf-16-le"), "", "", Format.MERCHANT_XML),
        (b"<!doctype html><html>", "feed.xml", "text/html", None),
        (b"sku", "only.csv", "", Format.CSV),
        (b"sku", "only.jsonl.gz", "", Format.JSONL),
        (b"sku", "", "text/csv; charset=utf-8", Format.CSV),
        (b"%PDF-1.7 \x00\x01", "a.pdf", "application/pdf", None),
        (b"", "", "", None),
    ],
)
def test_telling_formats_apart(data: bytes, name: str, type: str, format: Format | None) -> None:
    assert detect(data, name, type) == format
    assert detect(gzip.compress(data), name, type) == format


LONG = b"A mug that keeps tea warm. " * 20
FILES = {  # what comes first, a row, what comes last
    Format.CSV: (b"id,title,description\n", b"1,Mug," + LONG + b"\n", b""),
    Format.JSONL: (b"", b'{"id": "1", "title": "Mug", "description": "' + LONG + b'"}\n', b""),
    Format.MERCHANT_TSV: (b"id\ttitle\tlink\n", b"1\t" + LONG + b"\t\n", b""),
    Format.MERCHANT_XML: (
        b"<rss><channel>",
        b"<item><id>1</id><title>" + LONG + b"</title></item>",
        b"</channel></rss>",
    ),
    Format.SHOPIFY: (
        b'{"products":[{"id":0,"variants":[{"id":1}]}',
        b',{"id":1,"title":"' + LONG + b'","variants":[{"id":2}]}',
        b"]}",
    ),
}


class Made(io.RawIOBase):
    """A file of 200,000 rows, over 100 MB, that is nowhere: it is made as it is read."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self.seek(0)

    def seek(self, place: int, whence: int = 0) -> int:
        first, row, last = FILES[self._format]
        self._pieces, self._rest = chain([first], repeat(row * 100, 2000), [last]), b""
        return 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        while len(self._rest) < len(buffer) and (piece := next(self._pieces, b"")):
            self._rest += piece
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


PEAK = """
import resource, sys
from tests.catalog.feeds.test_reading import Made, read, Format, Record
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(isinstance(row, Record) for row in read(Made(Format(sys.argv[1])), Format(sys.argv[1])))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
@pytest.mark.parametrize("format", Format)
def test_two_hundred_thousand_rows_in_bounded_memory(format: Format) -> None:
    """In a process of its own, so that its peak is that of reading."""
    done = subprocess.run([sys.executable, "-c", PEAK, format], capture_output=True, text=True, check=True, cwd=ROOT)
    count, kilobytes = map(int, done.stdout.split())
    assert count in {200_000, 200_001}
    assert kilobytes < 40_000
