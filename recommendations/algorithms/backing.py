"""Lists that rest on little, backed by what the texts of their items say."""

from typing import Final

import ibis

from recommendations.algorithms.ranking import rank_neighbours

STRENGTH: Final = 0.25
"""What the text weighs, in sessions. With 0.5 it helps more where texts are good and harms where they say little."""


def backed(lists: ibis.Table, content: ibis.Table, k: int, strength: float = STRENGTH) -> ibis.Table:
    """Shrink neighbour lists (NEIGHBOURS) towards `content` (NEIGHBOURS) the more, the less they have been seen.

    score = m/(m + κ) · score_ij + κ/(m + κ) · best score of i · text_ij / best text of i, with m the largest `count` in
    the list of i and κ the `strength`: a list seen once gives a fifth to the text, one seen twenty times a hundredth.
    Items without a list get none, and the list of an item without texts stays. `count`: 0 for a neighbour that only the
    text speaks for.
    """
    texts = content.group_by("item").agg(top=content.score.max())
    known = lists.group_by("item").agg(best=lists.score.max().cast("float64"), most=lists["count"].max())
    known = known.left_join(texts, "item").select("item", "best", "top", share=_share(known.most, texts.top, strength))
    seen, told = lists.inner_join(known, "item"), content.inner_join(known, "item")
    text = told.score.cast("float64") / told.top
    both = ibis.union(
        seen.select("item", "neighbour", "count", score=(1 - seen.share) * seen.score.cast("float64")),
        told.select("item", "neighbour", count=ibis.literal(0, "int64"), score=told.share * told.best * text),
    )
    summed = both.group_by("item", "neighbour").agg(score=both.score.sum(), count=both["count"].sum())
    return rank_neighbours(summed, k)


def _share(most: ibis.Column, top: ibis.Column, strength: float) -> ibis.Column:
    """What the text gets of a list; nothing where there is none."""
    return top.isnull().ifelse(0.0, strength / (most + strength))
