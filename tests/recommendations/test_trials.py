"""`manage.py evaluate`: known answers, what it prints, what it refuses, and that it needs no server."""

import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from recomengine.lib.errors import DomainError
from recommendations.logs import trials
from recommendations.strategies import STRATEGIES
from tests.disks import small_disk
from tests.recommendations.logs import asked, of_sessions, written

KEYS = ("strategy", "n", "hit_rate", "mrr", "ndcg", "coverage", "train_seconds", "milliseconds_per_slate")
SPEED = ("train_seconds", "milliseconds_per_slate")
RANK_2 = 1 / math.log2(3)

Evaluate = Callable[..., list[dict[str, Any]]]

# Popular: a (in five sessions), b (in three), c (in two), d (in one).
LOG = of_sessions("ab", "ab", "ab", "ac", "ac", "d")
CASES = asked(("a", "b"), ("b", "c"), ("c", "x"), ("a", "bc"))
ITEMS = {
    "item_id": ["a", "b", "c", "z"],
    "title": ["Blue mug", "Iron pot", "Black tea", "Green mug"],
    "brand": ["Acme", None, None, "Acme"],
}


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    def evaluated(strategy: str, k: int = 2, log: Any = LOG, cases: Any = CASES, **more: Any) -> list[dict[str, Any]]:
        train, test = written(tmp_path / "train", log), written(tmp_path / "test", cases)
        return trials.evaluate_log(train, test, strategy, k, **more)

    return evaluated


def figures(row: dict[str, Any]) -> list[float]:
    return [row[name] for name in ("hit_rate", "mrr", "ndcg", "coverage")]


def test_popular_by_hand(evaluate: Evaluate) -> None:
    """Everybody is shown a and b, so the first and the last case find b in the second place."""
    (row,) = evaluate("popular")
    assert (row["strategy"], row["n"], row["k"], row["units"], row["share_answered"]) == ("popular", 4, 2, 4, 1)
    assert figures(row) == pytest.approx([2 / 4, (1 / 2 + 1 / 2) / 4, (RANK_2 + RANK_2 / (1 + RANK_2)) / 4, 2 / 4])


def test_popular_by_hand_without_what_the_prefix_holds(evaluate: Evaluate) -> None:
    """After a: b, c; after b: a, c; after c: a, b. Nobody knows x."""
    (row,) = evaluate("popular", novel=True)
    assert figures(row) == pytest.approx([3 / 4, (1 + 1 / 2 + 0 + 1) / 4, (1 + RANK_2 + 0 + 1) / 4, 3 / 4])


def test_strategy_and_baseline_by_hand(evaluate: Evaluate) -> None:
    """With a, three sessions show b and two show c; with b and with c they show a alone. d was alone."""
    viewed, popular = evaluate("also_viewed", cases=asked(("a", "c"), ("b", "a"), ("d", "a"), ("y", "a")))
    assert figures(viewed) == pytest.approx([2 / 4, (1 / 2 + 1) / 4, (RANK_2 + 1) / 4, 3 / 4])
    assert viewed["share_answered"] == 2 / 4
    assert figures(popular) == pytest.approx([3 / 4, 3 / 4, 3 / 4, 2 / 4])
    assert [viewed["strategy"], popular["strategy"]] == ["also_viewed", "popular"]


def test_what_visits_hold_together_counts_as_bought_together(evaluate: Evaluate) -> None:
    found, _ = evaluate("bought_together", cases=asked(("a", "b"), ("a", "c"), ("c", "a"), ("d", "a")))
    assert figures(found) == pytest.approx([3 / 4, (1 + 1 / 2 + 1) / 4, (1 + RANK_2 + 1) / 4, 3 / 4])


def test_recently_viewed_by_hand(evaluate: Evaluate) -> None:
    found, _ = evaluate("recently_viewed", cases=asked(("abc", "b"), ("ab", "c"), ("cc", "c")))
    assert figures(found) == pytest.approx([2 / 3, (1 / 2 + 1) / 3, (RANK_2 + 1) / 3, 3 / 4])


def test_visits_that_come_back_are_followed_where_repeats_count(evaluate: Evaluate) -> None:
    log, cases = of_sessions(*["aba"] * 30, *["cdc"] * 30), asked(("ab", "a"), ("cd", "c"))
    repeated, _ = evaluate("session", k=1, log=log, cases=cases)
    assert repeated["hit_rate"] == 1
    new, popular = evaluate("session", k=1, log=log, cases=asked(("ab", "a"), ("c", "d")), novel=True)
    assert (new["n"], popular["n"], new["hit_rate"]) == (1, 1, 1)


def test_texts_find_what_nobody_has_seen(evaluate: Evaluate, tmp_path: Path) -> None:
    """Only a and z have words in common; z, which nobody knows, borrows what goes with a, and that comes first."""
    items, cases = written(tmp_path / "items", ITEMS), asked(("a", "z"), ("z", "a"), ("b", "z"))
    alike, popular = evaluate("similar", k=3, cases=cases, items=items)
    assert figures(alike) == pytest.approx([2 / 3, (1 + 1 / 3) / 3, (1 + 1 / 2) / 3, 4 / 5])  # all but d are shown
    assert popular["coverage"] == pytest.approx(3 / 5)
    (alone,) = evaluate("popular", k=3, cases=cases)
    assert alone["coverage"] == pytest.approx(3 / 4)


def test_popular_is_what_a_shop_is_shown(evaluate: Evaluate) -> None:
    """Of the last 90 days, as the list that a training makes."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [now - timedelta(days=100)] * 3 + [now]
    log = {"visitor_id": list("uvwx"), "occurred_at": moments, "item_id": ["old", "old", "old", "new"]}
    (row,) = evaluate("popular", k=1, log=log, cases={"prefix": [["old"]], "target": ["new"]})
    assert row["hit_rate"] == 1


@pytest.mark.parametrize("strategy", trials.STRATEGIES)
@pytest.mark.parametrize("novel", [False, True])
def test_every_strategy_says_the_same_of_both(evaluate: Evaluate, tmp_path: Path, strategy: str, novel: bool) -> None:
    rows = evaluate(strategy, novel=novel, items=written(tmp_path / "items", ITEMS))
    assert [row["strategy"] for row in rows] == list(dict.fromkeys([strategy, "popular"]))
    for row in rows:
        assert tuple(row)[: len(KEYS)] == KEYS
        assert list(row) == list(rows[0])
        assert row["n"] == rows[0]["n"]
        assert all(0 <= figure <= 1 for figure in figures(row))
        assert row["milliseconds_per_slate"] > 0
        json.dumps(row, allow_nan=False)


def test_what_a_log_cannot_judge_is_said(evaluate: Evaluate) -> None:
    assert set(STRATEGIES) == {*trials.STRATEGIES, *trials.NOT_BY_LOG}
    for strategy, why in trials.NOT_BY_LOG.items():
        with pytest.raises(DomainError) as caught:
            evaluate(strategy)
        assert caught.value.detail == f"A log alone cannot judge `{strategy}`: it {why}"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ({"strategy": "psychic"}, "unknown_strategy", "A log can judge session, also_viewed, for_you"),
        ({"strategy": "similar"}, "invalid", "name a file of items (item_id, title …) with --items"),
        ({"strategy": "popular", "k": 0}, "invalid", "1 to 100 items, as many as strategies propose; not 0"),
        ({"strategy": "popular", "k": 10**12}, "invalid", "not 1000000000000"),
        ({"strategy": "popular", "cases": asked(("a", "a")), "novel": True}, "invalid", "no case whose target is new"),
    ],
)
def test_what_is_refused(evaluate: Evaluate, arguments: dict[str, Any], code: str, complaint: str) -> None:
    with pytest.raises(DomainError) as caught:
        evaluate(**arguments)
    assert (caught.value.code, complaint in caught.value.detail) == (code, True), caught.value.detail


def made(seed: int, sessions: int = 400, items: int = 40) -> list[tuple[int, int, int]]:
    """Sessions about corners of a shop: session, place, item (of two digits)."""
    drawn = random.Random(seed)
    rows = []
    for session in range(sessions):
        corner = drawn.randrange(items)
        length = drawn.randint(1, 6)
        rows += [(session, pos, 10 + (corner + drawn.choice((0, 1, 1, 2, 3))) % items) for pos in range(length)]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["session", "bought_together"])
def test_neither_the_order_of_rows_nor_names_change_the_figures(evaluate: Evaluate, strategy: str) -> None:
    """Names that sort alike, since the items' order decides between equals."""
    rows, found = made(1), []
    tests = [row[2] for row in made(2)[:200]]
    shuffled = random.Random(3).sample(rows, len(rows))
    for each, name in ((rows, int), (shuffled, int), (shuffled, "item-{:04}".format), (rows, float)):
        session, pos, item = zip(*each, strict=True)
        log = {"session": pa.array(map(name, session)), "pos": pos, "item": pa.array(map(name, item))}
        cases = {"prefix": [[name(one)] for one in tests], "target": [name(10 + (one - 9) % 40) for one in tests]}
        answers = evaluate(strategy, k=5, log=log, cases=cases)
        found.append([{name: row[name] for name in row if name not in SPEED} for row in answers])
    assert found[0] == found[1] == found[2] == found[3]
    assert found[0][0]["hit_rate"] > found[0][1]["hit_rate"]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["session", "bought_together"])
def test_a_session_of_a_million_steps(evaluate: Evaluate, strategy: str) -> None:
    steps = np.arange(1_000_000)
    log = {"session": np.zeros_like(steps), "pos": steps, "item": steps % 1_000}
    found, _ = evaluate(strategy, log=log, cases={"prefix": [(steps % 1_000).tolist()], "target": [1]})
    assert found["n"] == 1


@pytest.mark.parametrize("strategy", ["session", "bought_together", "popular"])
def test_a_log_of_one_moment(evaluate: Evaluate, strategy: str) -> None:
    count = 5_000
    log = {"visitor_id": [n % 300 for n in range(count)], "occurred_at": [0] * count, "item_id": list(range(count))}
    cases = {"prefix": [[0]], "target": [300]}
    for columns in (log, {**log, "type": ["purchase"] * count, "quantity": [2**60] * count}):
        assert evaluate(strategy, log=columns, cases=cases)[0]["n"] == 1


def test_a_log_of_one_row(evaluate: Evaluate) -> None:
    for strategy in ("session", "bought_together"):
        found, popular = evaluate(strategy, log=of_sessions("a"), cases=asked(("b", "a")))
        assert (found["hit_rate"], popular["hit_rate"]) == (0, 1)


def test_the_command_prints_an_object_a_line(tmp_path: Path) -> None:
    out, err = StringIO(), StringIO()
    log = {
        "visitor_id": ["v", "v", "w"],
        "occurred_at": [0, 1, 2],
        "item_id": list("aba"),
        "type": ["view", "view", "transaction"],
    }
    files = ["--train", str(written(tmp_path / "train", log)), "--test", str(written(tmp_path / "test", CASES))]
    call_command("evaluate", *files, "--k", "2", "--json", stdout=out, stderr=err)
    session, popular = map(json.loads, out.getvalue().splitlines())
    assert [session["strategy"], popular["strategy"]] == ["session", "popular"]
    assert set(KEYS) <= set(session)
    assert "Rows of the log that trainings pass over: 1 of type transaction." in err.getvalue()
    call_command("evaluate", *files, stdout=out, stderr=err)
    assert "milliseconds_per_slate" in out.getvalue().splitlines()[2]


def test_the_commands_refusals(tmp_path: Path) -> None:
    train, test = str(tmp_path / "none"), str(written(tmp_path / "test", CASES))
    with pytest.raises(CommandError, match="There is no file"):
        call_command("evaluate", "--train", train, "--test", test)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("evaluate", "--train", train, "--test", test, "--json", stdout=out)
    assert json.loads(out.getvalue())["error"] == {"code": "not_found", "detail": f"There is no file {train}."}


def test_a_log_that_is_too_large_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TRAINING_MEMORY", "1MB")
    files = ["--train", str(written(tmp_path / "train", LOG)), "--test", str(written(tmp_path / "test", CASES))]
    with pytest.raises(CommandError, match=r"with 1MB of memory.* Set RECOMENGINE_TRAINING_MEMORY to more, or TMPDIR"):
        call_command("evaluate", *files)


@pytest.mark.slow
def test_a_full_disk_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the log's own rows do not fit there, or what the engine puts aside."""
    steps = np.arange(400_000)
    train = written(tmp_path / "train", {"session": steps // 4, "pos": steps % 4, "item": steps * 7_919 % 5_000})
    test = written(tmp_path / "test", {"prefix": [[1]], "target": [2]})
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
    for megabytes, memory in ((1, "3GB"), (16, "20MB")):
        monkeypatch.setattr(settings, "TRAINING_MEMORY", memory)
        with small_disk(tmp_path / "disk", megabytes), pytest.raises(CommandError, match="or TMPDIR to a directory"):
            call_command("evaluate", "--train", str(train), "--test", str(test))
        assert list((tmp_path / "disk").iterdir()) == []


@pytest.mark.slow
def test_no_server_has_to_run(tmp_path: Path) -> None:
    away = {"DATABASE_URL": "postgres://nobody:none@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "manage.py", "evaluate", "--strategy", "session", "--k", "2", "--json"]
    command += ["--train", str(written(tmp_path / "train", LOG)), "--test", str(written(tmp_path / "test", CASES))]
    done = subprocess.run(
        command, env=os.environ | away, cwd=settings.BASE_DIR, capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["strategy"] for line in done.stdout.splitlines()] == ["session", "popular"]
