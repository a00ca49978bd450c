"""Trending: what gains most interest these days, added up by Redis as events come in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from msgspec.structs import replace

from catalog.types import ids_key
from events.interest import HALF_LIFE
from events.types import trend_key, trending_key
from recomengine.lib.naming import categories_key
from recommendations import scripts
from recommendations.packing import SCALE
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Asked, Setting, Strategy
from recommendations.types import Candidate

LOOKED_AT: Final = 200  # items of the shop's trend
OF_CATEGORY: Final = 50  # items of the category's


@dataclass(frozen=True, slots=True)
class Trending(Strategy):
    """Needs no model; the evidence is the interest as it has faded until now.

    Beside a product its category's trend comes first, in the upper half of the scores, and the shop's fills up.
    """

    by_category: bool = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "by_category": Setting(bool, "whether the category's trend comes first beside a product")
    }

    @property
    def needs_model(self) -> bool:
        return False

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        slug = asked.slug
        whole = scripts.trend(ids_key(slug), trend_key(slug), trending_key(slug), LOOKED_AT)
        return (whole, self._of_category(slug, asked.query.items[0])) if self._beside(asked) else (whole,)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        whole = list(self._candidates(asked, replies[0][:3]))
        if not self._beside(asked) or not replies[1][0]:
            yield from whole
            return
        category = replies[1][3].decode()
        sentence = f"Trending in {_quoted(category)}: {self.sentence[:1].lower()}{self.sentence[1:]}"
        nearer = [replace(each, sentence=sentence, anchored=True) for each in self._candidates(asked, replies[1][:3])]
        yield from (replace(each, score=(each.score + SCALE) / 2) for each in nearer)
        met = {each.item for each in nearer}
        yield from (replace(each, score=each.score / 2) for each in whole if each.item not in met)

    def _beside(self, asked: Asked) -> bool:
        return self.by_category and bool(asked.query.items)

    def _of_category(self, slug: str, item_id: str) -> Command:
        trends = (trend_key(slug), trending_key(slug))
        return scripts.trend_of_category(ids_key(slug), categories_key(slug), trends, item_id, OF_CATEGORY)

    def _candidates(self, asked: Asked, reply: Reply) -> Iterator[Candidate]:
        found, numbers, landmark = reply
        scores = [float(score) for score in found[1::2]]
        fresh = 2.0 ** ((float(landmark) - asked.now) / HALF_LIFE.total_seconds())
        for number, score in zip(numbers, scores, strict=True):
            if number is not None:
                yield self.candidate(int(number), score / scores[0] * SCALE, round(score * fresh))


def _quoted(text: str) -> str:
    """Text as it stands in a sentence that is yet to be formatted."""
    return text.replace("{", "{{").replace("}", "}}")


TRENDING: Final = Trending(
    "trending",
    "Trending",
    "What gains most interest these days, beside a product in its category first.",
    "trending",
    "Lately as much interest as {count} views of this moment",
)
