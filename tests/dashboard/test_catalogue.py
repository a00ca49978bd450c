"""The catalogue's page: what it shows of a shop's products, and where its address leads."""

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from catalog import items
from catalog.dashboard import browsing
from catalog.types import ItemIn
from tenants.types import Role, TenantRef
from tests.dashboard.conftest import CATALOGUE, SignIn
from tests.dashboard.test_overview import words
from tests.dashboard.test_previewer import HTMX, Links

MANY = [
    ItemIn(
        item_id=f"sku-{number:03}",
        title=f"{('White', 'Blue')[number % 2]} lantern {number}",
        price=Decimal(number + 1),
        brand=("Kiln", "Acme", "")[number % 3],
        categories=[("Home > Light > Lanterns", "Home > Light", "Garden")[number % 3]],
        availability=("in_stock", "out_of_stock")[number % 4 == 3],  # type: ignore[arg-type]
    )
    for number in range(100)
]


@pytest.fixture
def lanterns(tenant_a: TenantRef) -> TenantRef:
    items.write(tenant_a, MANY)
    return tenant_a


def page(browser: Client, query: str = "", **headers: str) -> str:
    answer = browser.get(f"/catalog/?{query}", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(browser: Client, query: str = "") -> str:
    return words(page(browser, query).encode())


def listed(text: str) -> list[str]:
    """The ids of the products of a page, in its order."""
    links = [link for link in Links(text.encode()).found if link.startswith("/catalog/items/")]
    return [link.removeprefix("/catalog/items/").strip("/") for link in links]


def test_products_are_listed_with_what_tells_them_apart(ann: Client, shop: TenantRef) -> None:
    text = shown(ann)
    assert "5 products" in text
    assert "Red mug mug Kitchen &gt; Mugs in stock €9.95" in text
    assert "Before: €30.00 €19.99" in text
    assert "Broken mug gone out of stock €1.00" in text
    assert '<img src="https://img.example/cup.png" alt=""' in page(ann)


def test_a_search_finds_words_beginnings_and_what_was_mistyped(ann: Client, lanterns: TenantRef) -> None:
    assert "50 products" in shown(ann, "q=blue+lant")
    mistyped = shown(ann, "q=blue+lnatern")
    assert "Showing results for lantern instead of lnatern" in mistyped
    assert listed(page(ann, "q=SKU-042"))[0] == "sku-042"
    assert "No product is like that" in shown(ann, "q=qqqqqqqq")


def test_some_of_the_words_are_better_than_nothing_and_the_page_says_so(ann: Client, lanterns: TenantRef) -> None:
    text = shown(ann, "q=kiln+acme")
    assert "No product has all of these words" in text


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("category=Home", 67),
        ("category=Home+%3E+Light+%3E+Lanterns", 34),
        ("category=Home%3ELight", 67),
        ("brand=Kiln&brand=Acme", 67),
        ("availability=out_of_stock", 25),
        ("min=10&max=19.50", 10),
        ("q=white&brand=Kiln&min=50", 8),
        ("category=Nowhere", 0),
        ("category=%3E", 100),
    ],
)
def test_filters_narrow_what_is_listed(ann: Client, lanterns: TenantRef, query: str, total: int) -> None:
    expected = f"{total} products" if total else "No product is like that"
    assert expected in shown(ann, query)


def test_the_filters_say_how_many_products_each_would_leave(ann: Client, lanterns: TenantRef) -> None:
    assert "Garden 33 Home (chosen; take it away) 67 Light 67" in shown(ann, "category=Home")
    text = shown(ann, "brand=Kiln&category=Home")
    assert "Home (chosen; take it away) 34 Light 34" in text
    assert "Kiln (chosen; take it away) 34" in text
    assert "Acme 33" in text
    assert "In stock 25" in text


def test_every_state_is_an_address_and_every_link_keeps_the_rest(ann: Client, lanterns: TenantRef) -> None:
    links = [
        link for link in Links(page(ann, "q=lantern&brand=Kiln&min=5&sort=price").encode()).found if link[0] == "?"
    ]
    assert links
    for link in links:
        asked = parse_qs(urlsplit(link).query)
        assert asked["q"] == ["lantern"]
        kept = [asked.get("brand") == ["Kiln"], asked.get("min") == ["5"], asked.get("sort") == ["price"]]
        assert sum(kept) >= 2 or kept == [False] * 3, link  # each changes one thing, but for "Remove all"


def test_sorts(ann: Client, lanterns: TenantRef) -> None:
    assert listed(page(ann, "sort=price"))[:2] == ["sku-000", "sku-001"]
    assert listed(page(ann, "sort=-price"))[:2] == ["sku-099", "sku-098"]
    assert listed(page(ann, "sort=newest"))[0] == "sku-099"
    assert '<option value="price" selected>' in page(ann, "sort=price")
    assert '<option value="popularity" selected>' in page(ann, "sort=worst")
    assert '<option value="relevance" selected>' in page(ann, "q=lantern")


def test_pages_go_on_and_back(ann: Client, lanterns: TenantRef) -> None:
    first, second, third = (listed(page(ann, f"sort=price&page={number}")) for number in (1, 2, 3))
    assert [len(first), len(second), len(third)] == [browsing.ROWS, browsing.ROWS, 100 - 2 * browsing.ROWS]
    assert len({*first, *second, *third}) == 100
    assert "?sort=price&page=3" in Links(page(ann, "sort=price&page=2").encode()).found
    assert "?sort=price" in Links(page(ann, "sort=price&page=2").encode()).found
    assert ">Next<" not in page(ann, "sort=price&page=3")
    assert "No product is like that" in shown(ann, "page=999999")


def test_an_empty_catalogue_says_what_to_do(ann: Client, sign_in: SignIn, tenant_a: TenantRef) -> None:
    assert "The catalogue is empty" in shown(ann)
    assert "/api/v1/catalog/items/batch" in shown(ann)
    assert 'href="/catalog/import/"' not in page(ann)
    assert 'href="/catalog/import/"' in page(sign_in(tenant_a, email="eva@example.com", role=Role.EDITOR))


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=" + "x+" * 2000, "q=%27%3B--", "q=%3A*%26%7C!()", "q=%F0%9F%98%80", "q=%ED%A0%80", "q=%22",
     "q=<script>alert(1)</script>&brand=<script>alert(1)</script>&category=<script>alert(1)</script>",
     "page=99999999999999999999", "page=-1", "min=1e400", "max=NaN", "min=%00", "category=%00%3E", "brand=%00",
     "category=" + "a>" * 20 + "b", "sort=%00", "availability=%00", "q=a%5C", "q=%25%5F"],
)  # fmt: skip
def test_whatever_is_asked_for_there_is_a_page(ann: Client, shop: TenantRef, query: str) -> None:
    assert "<script>alert" not in page(ann, query)
    assert "<script>alert" not in page(ann, query, **HTMX)


def test_htmx_gets_the_part_that_changes_and_the_history_the_whole(ann: Client, shop: TenantRef) -> None:
    answer = ann.get("/catalog/?q=mug", headers=HTMX)
    text = answer.content.decode()
    assert "<html" not in text
    assert "<title>mug · Catalogue" in text
    assert '<p id="announced" hx-swap-oob="innerHTML">2 products</p>' in text
    assert "HX-Request" in answer["Vary"]
    assert "<html" in page(ann, "q=mug", **HTMX, **{"HX-History-Restore-Request": "true"})


def test_another_shops_products_are_not_there(ann: Client, shop: TenantRef, tenant_b: TenantRef) -> None:
    items.write(tenant_b, [ItemIn(item_id="secret", title="Secret thing", brand="Secretive", categories=["Hidden"])])
    for query in ("", "q=secret", "brand=Secretive", "category=Hidden"):
        text = page(ann, query)
        assert listed(text) == ([] if query else listed(page(ann)))
        assert "Secret thing" not in text
    assert ann.get("/catalog/items/secret/").status_code == 404


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("csv", "csv; text/csv"), ("jsonl", "jsonl; application/x-ndjson"), ("merchant_xml", "xml; application/xml"),
        ("merchant_tsv", "tsv; text/tab-separated-values"), ("shopify", "json; application/json"),
    ],
)  # fmt: skip
def test_the_catalogue_is_taken_away_in_every_format(
    ann: Client, shop: TenantRef, tenant_b: TenantRef, kind: str, file: str
) -> None:
    items.write(tenant_b, [ItemIn(item_id="secret", title="Secret thing")])
    assert f"/catalog/export/{kind}/" in Links(page(ann).encode()).found
    answer = ann.get(f"/catalog/export/{kind}/")
    ending, media = file.split("; ")
    assert answer["Content-Type"].partition(";")[0] == media
    assert answer["Content-Disposition"] == f'attachment; filename="shop-a-catalogue.{ending}"'
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert all(item.item_id in text for item in CATALOGUE)
    assert "secret" not in text
    assert ann.get("/catalog/export/exe/").status_code == 404


def test_the_menu_marks_the_catalogue_on_all_of_its_pages(ann: Client, shop: TenantRef) -> None:
    assert '<a href="/catalog/" class="nav-link" aria-current="page">' in page(ann)
    product = ann.get("/catalog/items/mug/").content.decode()
    assert '<a href="/catalog/" class="nav-link" aria-current="true">' in product
