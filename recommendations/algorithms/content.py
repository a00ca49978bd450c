"""Similar items by their text, and neighbour lists for items without a history."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sparse_dot_topn import sp_matmul_topn

from recommendations.algorithms.ranking import rank_neighbours
from recommendations.algorithms.types import NEIGHBOURS, CatalogItem

PAIRS_AT_ONCE: Final = 100_000
TIE_BREAK: Final = 1e-8


@dataclass(frozen=True, slots=True)
class ContentParams:
    """How texts become scores.

    `max_share`: terms in a larger share of the catalogue are ignored (0.005 is 17 times faster than 0.03 on 100,000
    items), but never terms in `common_from` items or fewer: in a small catalogue every term is in a large share. `k`:
    neighbours kept. `hops`: warm neighbours whose lists an item without history borrows. `text_share`: weight of the
    text itself against the borrowed lists. `threads`: for the matrix product.
    """

    max_share: float = 0.03
    common_from: int = 50
    k: int = 50
    hops: int = 20
    text_share: float = 0.3
    threads: int = 2


CONTENT: Final = ContentParams()


def similar(
    items: Iterable[CatalogItem], params: ContentParams = CONTENT, among: Collection[int] | None = None
) -> ibis.Table:
    """Build each item's nearest items by text (NEIGHBOURS), optionally only `among` some of the items.

    score = cosine of sublinear TF-IDF over the words and word pairs of title, brand, category paths and attributes,
    0 to 1. `count`: terms in common. An item given twice counts once, as last given.
    """
    catalogue = sorted({item.item: item for item in items}.values(), key=lambda item: item.item)
    ids = np.array([item.item for item in catalogue], dtype=np.int64)
    terms = _term_counts(catalogue, params)
    if not terms.nnz:
        return ibis.memtable(NEIGHBOURS.to_pyarrow().empty_table(), schema=NEIGHBOURS)
    allowed = np.arange(len(ids)) if among is None else np.flatnonzero(np.isin(ids, list(among)))
    rows, columns, scores = _nearest(TfidfTransformer(sublinear_tf=True).fit_transform(terms), allowed, params)
    shared = _shared_terms(terms, rows, columns)
    pairs = pa.table({"item": ids[rows], "neighbour": ids[columns], "score": scores, "count": shared})
    return rank_neighbours(ibis.memtable(pairs), params.k)


def two_hop(content: ibis.Table, lists: ibis.Table, params: ContentParams = CONTENT) -> ibis.Table:
    """Build neighbour lists (NEIGHBOURS) for the items that have text but no list of their own.

    score = 0.3 · text + 0.7 · Σ over the 20 nearest items with a list of text² · (their list), each part scaled to at
    most 1 per item. `content` and `lists` are NEIGHBOURS: `similar`, ideally `among` the items with a list, and
    `coview` or `bought_together`. `count`: terms in common, 0 for a borrowed neighbour, since nobody combined the two.
    """
    cold = content.anti_join(lists.select("item").distinct(), "item")
    text = cold.select("item", "neighbour", "count", score=params.text_share * _relative(cold))
    hops = _borrowed(cold, lists, params.hops)
    borrowed = hops.select(
        "item", "neighbour", count=ibis.literal(0, "int64"), score=(1 - params.text_share) * _relative(hops)
    )
    both = ibis.union(text, borrowed)
    return rank_neighbours(
        both.group_by("item", "neighbour").agg(score=both.score.sum(), count=both["count"].sum()), params.k
    )


def _borrowed(cold: ibis.Table, lists: ibis.Table, hops: int) -> ibis.Table:
    warm = cold.semi_join(lists, cold.neighbour == lists.item)
    nearest = warm.mutate(hop=ibis.row_number().over(ibis.window(group_by="item", order_by="rank")))
    proxies = nearest.filter(nearest.hop < hops).select(cold="item", item="neighbour", closeness="score")
    relative = lists.select("item", "neighbour", share=_relative(lists))
    joined = proxies.inner_join(relative, "item").filter(ibis._.neighbour != ibis._.cold)
    return joined.group_by(item=joined.cold, neighbour=joined.neighbour).agg(
        score=(joined.closeness * joined.closeness * joined.share).sum()
    )


def _relative(lists: ibis.Table) -> ibis.Column:
    return lists.score.cast("float64") / lists.score.max().over(ibis.window(group_by="item"))


def _terms(item: CatalogItem) -> Iterator[str]:
    """Words and word pairs, field by field, so that no pair spans two fields."""
    fields = (item.title, item.brand, *item.categories, item.attributes)
    return chain.from_iterable(map(_analyse, fields))


_analyse = CountVectorizer(ngram_range=(1, 2)).build_analyzer()


def _term_counts(catalogue: list[CatalogItem], params: ContentParams) -> csr_matrix:
    """How often each item (row) has each term (column), without the terms that too many items share."""
    texts = [list(_terms(item)) for item in catalogue]
    if not any(texts):
        return csr_matrix((len(texts), 0), dtype=np.float64)
    counts = CountVectorizer(analyzer=_as_given, dtype=np.float64).fit_transform(texts)
    items_with_term = np.bincount(counts.indices, minlength=counts.shape[1])
    return counts[:, items_with_term <= max(params.common_from, params.max_share * len(texts))]


def _as_given(terms: list[str]) -> list[str]:
    return terms


def _nearest(
    tfidf: csr_matrix, allowed: NDArray[np.int64], params: ContentParams
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row, column and cosine of each item's nearest `allowed` items, without itself."""
    # The product cuts ties at random, so later columns are scaled down by less than a score resolves.
    scale = 1 - TIE_BREAK * np.arange(len(allowed)) / len(allowed)
    others = tfidf[allowed].multiply(scale[:, np.newaxis])
    # One more than k, because an item is its own nearest.
    found = sp_matmul_topn(tfidf, others.T.tocsr(), top_n=params.k + 1, n_threads=params.threads).tocoo()
    rows, columns = found.row.astype(np.int64), allowed[found.col]
    different = rows != columns
    return rows[different], columns[different], (found.data / scale[found.col])[different]


def _shared_terms(terms: csr_matrix, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each pair of rows the number of columns both have, in slices that bound the memory."""
    present = terms.astype(bool).astype(np.int64)
    starts = range(0, len(rows), PAIRS_AT_ONCE)
    slices = [
        present[rows[start : start + PAIRS_AT_ONCE]]
        .multiply(present[columns[start : start + PAIRS_AT_ONCE]])
        .sum(axis=1)
        for start in starts
    ]
    return np.concatenate([np.asarray(part).ravel() for part in slices]) if slices else np.empty(0, np.int64)
