from pathlib import Path

import ibis
import pytest

from recommendations.algorithms.engine import open_engine


def test_keeps_to_its_memory_and_threads(tmp_path: Path) -> None:
    with open_engine(memory_limit="64MiB", threads=1, spill=tmp_path) as engine:
        assert engine.settings["memory_limit"] == "64.0 MiB"
        assert engine.settings["threads"] == "1"


def test_sorts_more_than_fits_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_engine(memory_limit="64MiB", threads=1, spill=tmp_path) as engine:
        assert Path(engine.settings["temp_directory"]).parent == tmp_path
        numbers = engine.create_table("numbers", ibis.range(6_000_000).unnest().name("n").as_table())
        assert numbers.order_by(ibis.desc("n")).limit(1, offset=5_000_000).execute()["n"].tolist() == [999_999]
    assert list(tmp_path.iterdir()) == []


def test_a_closed_engine_answers_no_more() -> None:
    with open_engine() as engine:
        table = engine.create_table("t", ibis.memtable({"n": [1]}))
    with pytest.raises(Exception, match="closed"):
        table.execute()
