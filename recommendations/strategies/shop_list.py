"""Strategies that show one list of the whole shop."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recommendations.packing import unpack
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Asked, Strategy, Tables
from recommendations.types import LISTS, Candidate, table_key


@dataclass(frozen=True, slots=True)
class ShopList(Strategy):
    """Reads the list that a model keeps under the strategy's name."""

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        if asked.model is None:
            return ()
        return (("HMGET", table_key(asked.slug, asked.model.version, LISTS), self.name),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        for item, score, evidence in unpack(replies[0][0]):
            yield self.candidate(item, score, evidence)

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]]:
        return ((item, score) for item, score, _ in unpack(tables.shop_list(self.name)))
