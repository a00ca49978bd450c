"""Blends: strategies of a merchant's own, made of built-in ones that have their say by weight."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from recommendations.packing import SCALE
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Anchors, Asked, Setting, Strategy, Tables
from recommendations.types import Candidate, Query

MAX_PARTS: Final = 8
MAX_WEIGHT: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Blend(Strategy):
    """score(j) = Σ weight · (a part's score of j / that part's best) / Σ weight, over the parts that propose anything.

    The reason is that of the part that gave most, the earlier one of equals; ties go to the smaller item.
    """

    parts: tuple[tuple[Strategy, float], ...]

    @property
    def starts_from(self) -> tuple[Anchors, ...]:
        return tuple(dict.fromkeys(anchors for part, _ in self.parts for anchors in part.starts_from))

    @property
    def needs_model(self) -> bool:
        return all(part.needs_model for part, _ in self.parts)

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reason for part, _ in self.parts for reason in part.reasons))

    def looks_back(self, query: Query) -> bool:
        return any(part.looks_back(query) for part, _ in self.parts)

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        return tuple(command for part, _ in self.parts for command in part.reads(asked))

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        proposals = [
            (list(part.propose(asked, of_part)), weight) for part, weight, of_part in self._answered(asked, replies)
        ]
        yield from self._mixed([(found, weight) for found, weight in proposals if found])

    def known(self, asked: Asked) -> Sequence[str]:
        return [item_id for part, _ in self.parts for item_id in part.known(asked)]

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]] | None:
        proposals = []
        for part, weight in self.parts:
            found = part.scores(tables, past)
            if found is None:
                return None
            proposals.append(([Candidate(*pair, self.name, self.reason, None, 0) for pair in found], weight))
        return ((each.item, each.score) for each in self._mixed([each for each in proposals if each[0]]))

    def _answered(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[tuple[Strategy, float, Sequence[Reply]]]:
        """The parts that had anything to start from, with the replies to their reads."""
        remaining = iter(replies)
        for part, weight in self.parts:
            if commands := part.reads(asked):
                yield part, weight, list(islice(remaining, len(commands)))

    def _mixed(self, proposals: Sequence[tuple[list[Candidate], float]]) -> Iterator[Candidate]:
        whole = sum(weight for _, weight in proposals)
        given: defaultdict[int, list[tuple[float, Candidate]]] = defaultdict(list)
        for found, weight in proposals:
            best = max(each.score for each in found)
            for each in {each.item: each for each in reversed(found)}.values():
                given[each.item].append((weight * each.score / best if best > 0 else 0.0, each))
        mixed = [self._of(shares, whole) for shares in given.values()]
        return iter(sorted(mixed, key=lambda each: (-each.score, each.item)))

    def _of(self, shares: Sequence[tuple[float, Candidate]], whole: float) -> Candidate:
        _, most = max(shares, key=lambda each: each[0])
        return replace(
            most,
            score=SCALE * math.fsum(share for share, _ in shares) / whole,
            source=self.name,
            repeats=any(each.repeats for _, each in shares),
            anchored=any(each.anchored for _, each in shares),
        )


def blend(name: str, title: str, parts: Sequence[tuple[Strategy, float]]) -> Blend:
    """A strategy of these parts, each with its weight (> 0)."""
    said = ", ".join(part.title for part, _ in parts)
    return Blend(name, title, f"A blend of {said}.", parts[0][0].reason, parts[0][0].sentence, parts=tuple(parts))


def tuned(strategy: Strategy, parameters: Mapping[str, Any]) -> Strategy:
    """The strategy with some of its settings set; raises ValueError for one that it lacks, or cannot take."""
    for name, value in parameters.items():
        setting = strategy.settings.get(name)
        if setting is None:
            known = ", ".join(strategy.settings) or "none"
            raise ValueError(f"`{strategy.name}` has no parameter {name!r}; it has {known}.")
        if problem := _problem(setting, value):
            raise ValueError(f"`{name}` of `{strategy.name}` is {problem}.")
    return dataclasses.replace(strategy, **parameters)


def _problem(setting: Setting, value: Any) -> str:
    if setting.kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    allowed = (int,) if setting.kind is int else (int, float)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    if is_number and setting.least <= value <= setting.most:
        return ""
    kind = "a whole number" if setting.kind is int else "a number"
    return f"{kind} from {setting.least:g} to {setting.most:g}"
