"""Which known words a mistyped one may have been meant to be."""

from collections.abc import Iterable, Sequence
from typing import Final

SHORTEST: Final = 3


def may_be_corrected(word: str) -> bool:
    """Not if it has a digit: another size or model is another thing."""
    return len(word) >= SHORTEST and word.isalpha()


def nearest(word: str, known: Iterable[str], limit: int) -> list[str]:
    """The known words with the fewest mistakes between them and the word, up to `limit`; none that is too far off.

    Of words as near as each other those first that begin alike: people seldom mistype a first letter.
    """
    allowed = 1 if len(word) < 6 else 2
    found = sorted((distance(word, each), -_shared(word, each), each) for each in known)
    return [each for mistakes, _, each in found if mistakes == found[0][0] <= allowed][:limit]


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Letters to insert, leave out, change or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(row[-1] + 1, above[j] + 1, above[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
