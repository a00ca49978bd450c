"""Assignment: the numbers the browser and GrowthBook compute, fair shares, and no visitor ever moved."""

import io
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import experiments.bucketing
from experiments.bucketing import BUCKETS, bucket, choose, fnv1a32

VECTORS = json.loads(Path(experiments.bucketing.__file__).with_name("vectors.json").read_text())
ALL_BUCKETS = [n / BUCKETS for n in range(BUCKETS)]

any_text = st.text(st.characters(), max_size=40)  # with lone surrogates
some_buckets = st.integers(0, BUCKETS - 1).map(lambda n: n / BUCKETS)
coverages = st.floats(0, 1)
weightings = st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any).map(lambda w: [x / sum(w) for x in w])


def test_golden_vectors() -> None:
    assert [vector | {"bucket": bucket(vector["seed"], vector["visitor_id"])} for vector in VECTORS] == VECTORS
    assert len(VECTORS) > 100


@pytest.mark.parametrize(("text", "value"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_published_fnv1a_values(text: str, value: int) -> None:
    assert fnv1a32(text) == value


@given(any_text, any_text)
def test_bucket_is_a_step_in_the_unit_interval_that_json_keeps(seed: str, visitor_id: str) -> None:
    value = bucket(seed, visitor_id)
    assert 0 <= value < 1
    assert float(f"{value:.4f}") == value == json.loads(json.dumps(value))


@given(any_text)
def test_a_surrogate_pair_is_the_same_as_its_character(text: str) -> None:
    split = "".join(itertools.chain.from_iterable(_surrogates(character) for character in text))
    assert fnv1a32(split) == fnv1a32(text)


def _surrogates(character: str) -> str:
    code = ord(character) - 0x10000
    return character if code < 0 else chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


@given(any_text, any_text)
def test_agrees_with_growthbook(seed: str, visitor_id: str) -> None:
    core = pytest.importorskip("growthbook.core")
    assert bucket(seed, visitor_id) == core.gbhash(seed, visitor_id, 2)


@given(some_buckets, weightings, coverages)
def test_choice_agrees_with_growthbook(value: float, weights: list[float], coverage: float) -> None:
    core = pytest.importorskip("growthbook.core")
    theirs = core.chooseVariation(value, core.getBucketRanges(len(weights), coverage, weights))
    assert choose(value, weights, coverage) == (None if theirs < 0 else theirs)


@pytest.mark.parametrize("seed", ["shop:pdp:1", "shop:pdp:2", "gift-shop:checkout:1"])
@pytest.mark.parametrize("visitor_id", ["v-{}", "0190c1de-7a4e-7cc3-9f3b-{:012x}"])
def test_buckets_are_uniform(seed: str, visitor_id: str) -> None:
    hundredths = Counter(int(bucket(seed, visitor_id.format(n)) * 100) for n in range(20_000))
    assert stats.chisquare([hundredths[cell] for cell in range(100)]).pvalue > 0.001


def test_assignments_of_two_experiments_are_independent() -> None:
    """Under independence √n·φ of two halvings is standard normal; seeds one digit apart are the hard case."""
    seeds = [f"shop:experiment-{number}:{phase}" for number in range(15) for phase in (1, 2)]
    visitors = [f"v-{n}" for n in range(3000)]
    halves = [[choose(bucket(seed, visitor), [0.5, 0.5], 1.0) for visitor in visitors] for seed in seeds]
    z = np.corrcoef(np.array(halves, dtype=float))[np.triu_indices(len(seeds), 1)] * np.sqrt(len(visitors))
    assert len(z) == 435
    assert 0.8 < np.mean(z**2) < 1.2
    assert np.max(np.abs(z)) < 4


@given(some_buckets, weightings, coverages, coverages)
def test_raising_coverage_never_moves_anyone(value: float, weights: list[float], one: float, other: float) -> None:
    before, after = (choose(value, weights, coverage) for coverage in sorted((one, other)))
    assert before in {None, after}


@given(some_buckets, weightings)
def test_full_coverage_takes_everyone_and_none_takes_nobody(value: float, weights: list[float]) -> None:
    chosen = choose(value, weights, 1.0)
    assert chosen is not None
    assert weights[chosen] > 0
    assert choose(value, weights, 0.0) is None


@pytest.mark.parametrize(
    ("weights", "coverage"),
    [([0.5, 0.5], 1.0), ([0.5, 0.5], 0.1), ([0.1, 0.2, 0.7], 1.0), ([1 / 3] * 3, 0.25), ([0.9, 0.0, 0.1], 0.5)],
)
def test_every_variant_gets_its_share(weights: list[float], coverage: float) -> None:
    shares = Counter(choose(value, weights, coverage) for value in ALL_BUCKETS)
    for index, weight in enumerate(weights):
        assert shares[index] == pytest.approx(weight * coverage * BUCKETS, abs=1)


def test_ranges_are_half_open() -> None:
    assert choose(0.0, [0.5, 0.5], 0.5) == 0
    assert choose(0.2499, [0.5, 0.5], 0.5) == 0
    assert choose(0.25, [0.5, 0.5], 0.5) is None
    assert choose(0.5, [0.5, 0.5], 0.5) == 1
    assert choose(0.75, [0.5, 0.5], 0.5) is None


def test_assign_prints_one_json_object_per_line() -> None:
    out = io.StringIO()
    call_command("assign", "shop:ends:1", "v-4726", "v-5049", 'say "é😀"', stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ['{"id":"v-4726","bucket":0.0000}', '{"id":"v-5049","bucket":0.1000}']
    assert json.loads(lines[2]) == {"id": 'say "é😀"', "bucket": bucket("shop:ends:1", 'say "é😀"')}
    assert len(lines) == 3
