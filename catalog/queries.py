"""What a person types as a query of PostgreSQL's: endings, beginnings and mistyped words.

A word finds its own form and its stem, the last one also everything that begins with it. A word that no item has is
replaced by the nearest ones of the vocabulary. Everything here reads the tenant in use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from catalog import languages, spelling, terms

MAX_TEXT: Final = 300  # characters that are looked at
MAX_WORDS: Final = 10
MAX_CORRECTIONS: Final = 3
MAX_ID: Final = 128

# In the order of the text. No stem means that nearly every text holds the word: PostgreSQL's stop words.
_WORDS: Final = """
    SELECT lexeme, coalesce(ts_lexize(%(stemmer)s::regdictionary, lexeme), '{}'),
        EXISTS (SELECT FROM catalog_word WHERE word = lexeme),
        EXISTS (SELECT FROM catalog_word WHERE word > lexeme AND word < lexeme || chr(1114111))
    FROM unnest(to_tsvector(%(unstemmed)s::regconfig, %(words)s)) ORDER BY positions[cardinality(positions)]
"""
# Near by the trigrams they share, which say little of short words: of those all that begin alike.
_NEAR: Final = """
    SELECT asked.word, near.word, coalesce(ts_lexize(%(stemmer)s::regdictionary, near.word), '{}')
    FROM unnest(%(words)s::text[]) AS asked(word), LATERAL (
        (SELECT word FROM catalog_word WHERE word OPERATOR(public.%%) asked.word
         ORDER BY public.similarity(word, asked.word) DESC LIMIT 50)
        UNION
        (SELECT word FROM catalog_word WHERE length(asked.word) < 6
         AND word > left(asked.word, 1) AND word < left(asked.word, 1) || chr(1114111)
         AND length(word) BETWEEN length(asked.word) - 1 AND length(asked.word) + 1)
    ) AS near
    WHERE NOT EXISTS (SELECT FROM catalog_item WHERE document @@ quote_literal(asked.word)::tsquery)
"""


@dataclass(frozen=True, slots=True)
class Query:
    """The text as tsqueries: `every` asks for all of the words, `some` for one of them, both for ids that begin so.

    `ranking` tells how well an item fits: a whole word fits better than the beginning of one. `typed` is the text
    itself in lower case, `corrections` are the words that stand for a mistyped one.
    """

    typed: str
    every: str
    some: str
    ranking: str
    corrections: Mapping[str, list[str]]


@dataclass(slots=True)
class _Word:
    text: str
    stems: list[str]
    is_known: bool
    is_begun: bool
    nearest: dict[str, list[str]] = field(default_factory=dict)  # words that stand for this one, with their stems

    def is_mistyped(self) -> bool:
        return not (self.is_known or self.is_begun) and spelling.may_be_corrected(self.text)

    def forms(self) -> list[str]:
        forms = [form for word, stems in self.nearest.items() for form in (word, *stems)] or [self.text, *self.stems]
        return list(dict.fromkeys(forms))

    def tsquery(self, *, may_go_on: bool, is_ranking: bool = False) -> str:
        forms, beginning = self.forms(), f"{_quoted(self.text)}:*"
        if self.nearest or (self.is_known and not may_go_on) or not (may_go_on or self.is_begun):
            return " | ".join(map(_quoted, forms))
        others = [form for form in forms if is_ranking or not form.startswith(self.text)]  # the beginning covers these
        return " | ".join([beginning, *map(_quoted, others)])


def understand(text: str, locale: str) -> Query | None:
    """The query of a text in the shop's language; None if it holds nothing that an item could have."""
    text = text[:MAX_TEXT].lower().replace("\x00", " ")
    typed, words = " ".join(text.split()), _words(terms.words(text), locale)
    telling = [word for word in words if word.stems] or words
    parts = [word.tsquery(may_go_on=word is words[-1]) for word in telling]
    may_be_id = typed and typed.isascii() and typed.isprintable() and len(typed) <= MAX_ID
    ids = [f"{_quoted(typed)}:*"] if may_be_id and f"{_quoted(typed)}:*" not in parts else []
    if not parts and not ids:
        return None
    every = [" & ".join(f"({part})" for part in parts)] if parts else []
    ranking = [word.tsquery(may_go_on=word is words[-1], is_ranking=True) for word in telling] or ids
    corrections = {word.text: list(word.nearest) for word in words if word.nearest}
    return Query(typed, " | ".join(every + ids), " | ".join(parts + ids), " | ".join(ranking), corrections)


def _words(text: str, locale: str) -> list[_Word]:
    stemmer = languages.stemmer(locale)
    rows = _rows(_WORDS, stemmer=stemmer, words=text, unstemmed=languages.UNSTEMMED)
    words = [_Word(*row) for row in rows[:MAX_WORDS]]
    if mistyped := {word.text: word for word in words if word.is_mistyped()}:
        candidates: dict[str, dict[str, list[str]]] = {}
        for word, known, stems in _rows(_NEAR, stemmer=stemmer, words=list(mistyped)):
            candidates.setdefault(word, {})[known] = stems
        for word, found in candidates.items():
            mistyped[word].nearest = {each: found[each] for each in spelling.nearest(word, found, MAX_CORRECTIONS)}
    return words


def _rows(sql: str, **params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
    return rows


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
