"""Cases and results made by hand, or at random from a seed."""

from collections.abc import Iterable, Sequence

import numpy as np

from recommendations.evaluation.metrics import Catalogue, catalogue
from recommendations.evaluation.runner import Recommend, Results, evaluate
from recommendations.evaluation.types import Case

SHOP = catalogue(range(100), [item for item in range(100) for _ in range(100 - item)])


def case(*targets: int, prefix: Sequence[int] = (99,), unit: str = "u") -> Case:
    return Case(tuple(prefix), frozenset(targets), unit)


def always(slates: Iterable[Sequence[int]]) -> Recommend:
    """Answers with these slates, one after the other."""
    given = iter(slates)
    return lambda prefixes: [next(given) for _ in prefixes]


def ranking(ranks: Sequence[int], k: int = 10, *, per_unit: int = 1, known: Catalogue = SHOP) -> Results:
    """Results in which the target of each case has the given rank, 0 for none; the other places differ by case."""
    cases = [case(50, unit=f"{number // per_unit:05}") for number in range(len(ranks))]
    slates = []
    for number, rank in enumerate(ranks):
        others = [(number + place) % 50 for place in range(k)]
        slates.append([*others[: rank - 1], 50, *others[rank:]] if rank else others)
    return evaluate("session", always(slates), cases, k, known)


def random_ranks(seed: int, n: int, hit_rate: float, k: int = 10) -> list[int]:
    generator = np.random.default_rng(seed)
    found = generator.random(n) < hit_rate
    return np.where(found, generator.integers(1, k + 1, n), 0).tolist()
