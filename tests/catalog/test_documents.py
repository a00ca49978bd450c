"""Items keep their search document, their categories' ancestors and the vocabulary."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import documents, items, languages, terms
from catalog.types import ItemIn
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api

MUG = {
    "item_id": "MUG-1",
    "title": "Crème Mugs, 0.3l",
    "brand": "Bodum",
    "categories": ["Home > Kitchen > Cups"],
    "attributes": {"color": "Türkis", "dishwasher safe": True, "microwave": False, "sizes": ["XL", "12"], "none": None},
    "group_id": "Mugs/1",
}


def rows(tenant: TenantRef, sql: str) -> list[Any]:
    with tenancy.use(tenant), connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def lexemes(tenant: TenantRef) -> set[str]:
    return set(rows(tenant, "SELECT unnest(tsvector_to_array(document)) FROM catalog_item"))


def vocabulary(tenant: TenantRef) -> list[str]:
    return rows(tenant, "SELECT word FROM catalog_word ORDER BY word")


@pytest.mark.smoke
def test_a_document_holds_words_with_and_without_endings_and_the_ids_whole(tenant_a: TenantRef, api_a: Api) -> None:
    api_a.post("catalog/items", MUG)
    assert lexemes(tenant_a) == {
        "creme", "mugs", "mug", "0.3", "l", "bodum", "home", "kitchen", "cups", "cup", "turkis", "turki", "dishwasher",
        "dishwash", "safe", "xl", "12", "mug-1", "mugs/1",
    }  # fmt: skip
    assert rows(tenant_a, "SELECT unnest(category_paths) FROM catalog_item") == [
        "Home", "Home > Kitchen", "Home > Kitchen > Cups",
    ]  # fmt: skip


def test_titles_weigh_more_than_brands_and_those_more_than_attributes(tenant_a: TenantRef, api_a: Api) -> None:
    api_a.post("catalog/items", {"item_id": "1", "title": "cup", "brand": "Bodum", "attributes": {"color": "Blue"}})
    assert rows(tenant_a, "SELECT document::text FROM catalog_item") == [
        "'1' 'blue':3C,6C 'bodum':2B,5B 'cup':1A,4A"
    ]  # fmt: skip


def test_a_changed_item_changes_its_document_and_an_unchanged_one_does_not(tenant_a: TenantRef, api_a: Api) -> None:
    api_a.post("catalog/items", MUG)
    api_a.call("PATCH", "catalog/items/MUG-1", data={"title": "Tray", "categories": ["Home > Bar"]})
    assert {"tray", "bar"} <= lexemes(tenant_a)
    assert not {"mugs", "kitchen"} & lexemes(tenant_a)
    assert rows(tenant_a, "SELECT unnest(category_paths) FROM catalog_item") == ["Home", "Home > Bar"]


def test_the_shops_language_decides_about_endings(tenant_a: TenantRef) -> None:
    items.write(replace(tenant_a, locale="de-AT"), [ItemIn(item_id="1", title="Bücher")])
    assert lexemes(tenant_a) == {"1", "bucher", "buch"}
    items.write(replace(tenant_a, locale="ja"), [ItemIn(item_id="1", title="茶碗 Cups")])
    assert lexemes(tenant_a) == {"1", "茶", "碗", "cups"}


def test_the_vocabulary_holds_words_but_neither_ids_nor_numbers(tenant_a: TenantRef, api_a: Api) -> None:
    api_a.post("catalog/items", MUG)
    assert vocabulary(tenant_a) == [
        "bodum", "creme", "cups", "dishwasher", "home", "kitchen", "mugs", "safe", "turkis",
    ]  # fmt: skip


def test_every_language_has_a_configuration(tenant_a: TenantRef) -> None:
    known = rows(tenant_a, "SELECT 'public.' || cfgname FROM pg_ts_config WHERE cfgname LIKE 'recom_%'")
    assert {languages.configuration(tag) for tag in (*languages._BY_TAG, "ja", "zh-Hant-TW")} == set(known)


def test_texts_beyond_all_measure_are_stored(tenant_a: TenantRef, api_a: Api) -> None:
    long = " ".join(f"{n:x}" for n in range(2_000))
    item = {
        "item_id": "1", "title": "x" * 300, "brand": "y" * 300, "categories": [f"{n} {'z' * 290}" for n in range(20)],
        "attributes": {f"a{n}": long for n in range(99)} | {"list": ["w" * 10_000] * 50},
    }  # fmt: skip
    assert api_a.post("catalog/items", item).status == 201
    assert rows(tenant_a, "SELECT pg_column_size(document) < 20000 FROM catalog_item") == [True]


def test_writers_of_other_items_with_the_same_words_do_not_wait_for_good(tenant_a: TenantRef) -> None:
    words = [f"word{'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}" for n in range(100)]

    def write(round_: int) -> tuple[int, int]:
        turned = words[round_ * 7 :] + words[: round_ * 7]
        try:
            return items.write(tenant_a, [ItemIn(item_id=f"{round_}-{n}", title=word) for n, word in enumerate(turned)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(8))) == [(100, 0)] * 8
    assert vocabulary(tenant_a) == words


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(), max_size=5))
def test_any_text_makes_a_document(tenant_a: TenantRef, texts: list[str]) -> None:
    expression = documents.DOCUMENT % {"language": "'public.recom_german'"}
    with tenancy.use(tenant_a), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {expression} FROM (SELECT *, {documents.UNSTEMMED} AS unstemmed"
            " FROM (SELECT %(t)s AS a, %(t)s AS b, %(t)s AS c, 'id' AS item_id, NULL AS group_id) _) _",
            {"t": terms.words(" ".join(texts))},
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T-Shirt, red/blue", "t shirt red blue"),
        ("5.5 mm. e.g. v1.5", "5.5 mm e g v1.5"),
        ("size-5 a_b 'x' \\ & | ! :*", "size 5 a b x"),
        ("Mug™ 🙂\x00½", "mug"),
        ("茶碗カップ", "茶 碗 カ ッ プ"),
        ("हिन्दी é", "हिन्दी é"),
    ],
)
def test_words_are_letters_and_digits(text: str, words: str) -> None:
    assert terms.words(text).split() == words.split()
