"""What a slate showed, remembered for a while in Redis, so that another page can go on where it ended."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import numpy as np

from recomengine.lib import naming
from recomengine.lib.errors import DomainError
from recommendations.scripts import Command
from recommendations.serving.slates import Slate

KEPT: Final = timedelta(minutes=10)


def page_key(slug: str, recommendation_id: str) -> str:
    """The string that holds the internal ids (4 bytes each) of what a slate and the pages before it showed."""
    return naming.key(slug, "page", recommendation_id)


def read(packed: bytes | None, recommendation_id: str) -> frozenset[int]:
    """The internal ids; raises `unknown_recommendation` if they are not known any more."""
    if packed is None:
        minutes = int(KEPT.total_seconds() // 60)
        message = f"There is no recommendation {recommendation_id!r}; a next page can be had for {minutes} minutes."
        raise DomainError("unknown_recommendation", message)
    return frozenset(np.frombuffer(packed, "<u4").tolist())


def remembering(slug: str, recommendation_id: str, answer: Slate, before: Collection[int]) -> Command:
    """The Redis command that remembers a slate."""
    numbers = [*before, *(each.admitted.candidate.item for each in answer.items)]
    packed = np.array(numbers, "<u4").tobytes()
    return ("SET", page_key(slug, recommendation_id), packed, "EX", int(KEPT.total_seconds()))
