"""What every strategy is: where it starts, what it reads, what it proposes, and how it explains itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from recommendations.histories import NOTHING, History
from recommendations.scripts import Command, Reply
from recommendations.types import Candidate, LiveModel, Query, ServingParameters

CANDIDATES: Final = 100  # proposed by one strategy at most where lists are merged


class Anchors(StrEnum):
    """What a strategy starts from."""

    ITEMS = "items"  # the product or basket at hand
    SESSION = "session"  # this visit, newest first
    HISTORY = "history"  # everything recent of the visitor and the user
    NONE = "none"  # the shop as a whole


class Asked(NamedTuple):
    """A request as a strategy sees it; `now` is in Unix seconds, `history` what is known of the visitor."""

    slug: str
    query: Query
    model: LiveModel | None
    now: float
    history: History = NOTHING


class Setting(NamedTuple):
    """What a merchant may set of a strategy in a blend: a number from `least` to `most`, or yes or no."""

    kind: type[bool] | type[int] | type[float]
    meaning: str
    least: float = 0
    most: float = 0


class Tables(Protocol):
    """A model's tables in memory, by the catalogue's numbers: what evaluations rank by."""

    parameters: ServingParameters

    def lists(self, table: str, items: Sequence[int]) -> list[bytes | None]:
        """The packed lists of items, in their order; None for an item without one."""
        ...

    def shop_list(self, strategy: str) -> bytes | None:
        """The packed list of the whole shop that a strategy keeps."""
        ...


@dataclass(frozen=True, slots=True)
class Strategy(ABC):
    """A recipe: from a request to proposals, in two steps between which its reads are answered.

    `reason` is the stable code of its evidence; `sentence` says it to a merchant, with `count` and `because_of`.
    `repeats`: it shows what the visitor knows, which the others leave out. `settings` are the fields that a merchant
    may set for a blend, with what they may be; `empty` is why nothing is shown where it has nothing to propose.
    """

    name: str
    title: str
    description: str
    reason: str
    sentence: str
    repeats: bool = field(default=False, kw_only=True)
    anchors: ClassVar[Anchors] = Anchors.NONE
    settings: ClassVar[Mapping[str, Setting]] = {}
    empty: ClassVar[str] = "no_candidates"

    @property
    def starts_from(self) -> tuple[Anchors, ...]:
        """What it starts from."""
        return (self.anchors,)

    @property
    def needs_model(self) -> bool:
        """Whether it has nothing to say before a training."""
        return True

    @property
    def reasons(self) -> tuple[str, ...]:
        """The codes of its evidence, the usual one first."""
        return (self.reason,)

    def looks_back(self, query: Query) -> bool:
        """Whether it starts from what the visitor did lately, so that this has to be known."""
        return False

    @abstractmethod
    def reads(self, asked: Asked) -> tuple[Command, ...]:
        """The Redis commands it needs answered; none if the request gives it nothing to start from."""

    @abstractmethod
    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        """Its candidates, best first, from the replies to its reads; scores are at most `packing.SCALE` per anchor."""

    def known(self, asked: Asked) -> Sequence[str]:
        """The items of the visitor's history that it starts from."""
        return ()

    def rank(self, tables: Tables, past: Sequence[int]) -> Iterator[int] | None:
        """The items it would propose after a past (item numbers, oldest first), best first, as in an evaluation.

        None for a strategy that cannot be told from tables and a past alone.
        """
        scores = self.scores(tables, past)
        return None if scores is None else (item for item, _ in scores)

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]] | None:
        """The same with their scores."""
        return None

    def candidate(self, item: int, score: float, evidence: int, because_of: str | None = None) -> Candidate:
        """A candidate of this strategy."""
        anchored = self.anchors is not Anchors.NONE
        return Candidate(
            item, score, self.name, self.reason, because_of, evidence, self.sentence, self.repeats, anchored
        )


def newest_first(past: Sequence[Any], limit: int) -> tuple[Any, ...]:
    """The last different items of a past, the newest first."""
    return tuple(islice(dict.fromkeys(reversed(past)), limit))
