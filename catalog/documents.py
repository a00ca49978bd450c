"""What is searched of an item: the texts of its search document, and the SQL that makes one of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from catalog import languages, terms
from catalog.types import with_ancestors

MAX_TEXT: Final = 2_000  # characters of each weight; a tsvector holds far more of them than that
MAX_VALUE: Final = 200  # characters of an attribute's value


class Describable(Protocol):
    """An item as it comes in or as it is stored."""

    title: str
    brand: str
    categories: list[str]
    attributes: Any


class Texts(msgspec.Struct, frozen=True):
    """An item's words by their weight, and its categories with all that they lie under."""

    a: str
    b: str
    c: str
    paths: list[str]


COLUMNS: Final = (("a", "text"), ("b", "text"), ("c", "text"), ("paths", "text[]"))
"""The columns of `Texts` for `jsonb_to_recordset`."""

UNSTEMMED: Final = " || ".join(
    f"setweight(to_tsvector('{languages.UNSTEMMED}', {each}), '{each.upper()}')" for each in "abc"
)
"""SQL: every word as it is, of columns `a`, `b` and `c`."""

DOCUMENT: Final = """unstemmed || setweight(to_tsvector(%(language)s::regconfig, a), 'A')
    || setweight(to_tsvector(%(language)s::regconfig, b), 'B')
    || setweight(to_tsvector(%(language)s::regconfig, c), 'C')
    || array_to_tsvector(array_remove(ARRAY[lower(item_id), lower(group_id)], NULL))"""
"""SQL: the document, of those columns, `unstemmed`, and the item's ids, which are found whole."""

NEW_WORDS: Final = """
    INSERT INTO catalog_word (word)
    SELECT lexeme FROM (
        SELECT DISTINCT lexeme COLLATE "C" AS lexeme FROM {texts}, unnest(tsvector_to_array(unstemmed)) AS lexeme
        OFFSET 0  -- what follows is asked of each word once
    ) AS found
    WHERE length(lexeme) BETWEEN 3 AND 40 AND lexeme !~ '[0-9]'
      AND NOT EXISTS (SELECT FROM catalog_word WHERE word = lexeme)
    ORDER BY lexeme
    ON CONFLICT DO NOTHING
"""
"""SQL: what mistyped words may be corrected to; in order, so that no two writers wait for each other.

A word with a digit is a size or a model: another one is another thing.
"""


def texts(item: Describable) -> Texts:
    """The texts of an item's document, each of bounded length whatever the shop sent."""
    return Texts(
        terms.words(item.title),
        _bounded([item.brand, *item.categories]),
        _bounded(value[:MAX_VALUE] for value in values(item.attributes)),
        with_ancestors(item.categories),
    )


def rows(items: Sequence[Describable]) -> str:
    """The texts of the items as the JSON that `jsonb_to_recordset` takes apart again."""
    return msgspec.json.encode([texts(item) for item in items]).decode()


def _bounded(parts: Iterable[str]) -> str:
    return terms.words(" ".join(parts)[:MAX_TEXT])


def values(attributes: Mapping[str, Any]) -> Iterator[str]:
    """The attributes' values as text; of a flag that is set its name."""
    for name, value in attributes.items():
        if isinstance(value, bool):
            yield from [name] if value else []
        elif isinstance(value, list):
            yield from map(str, value)
        elif value is not None:
            yield str(value)
