"""A tiny shop whose answers can be worked out by hand."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pyarrow as pa
import pytest
from django.db import connection
from pyarrow import parquet

from recommendations.training import building, running
from tenants.types import TenantRef
from tests.api import Api

NOW: Final = datetime.now(UTC)
ITEMS: Final = [
    {"item_id": "mug", "title": "Blue mug", "brand": "Acme", "categories": ["Kitchen > Mugs"]},
    {"item_id": "cup", "title": "Green mug", "brand": "Acme", "categories": ["Kitchen > Mugs"]},
    {"item_id": "pot", "title": "Iron teapot", "brand": "Kettler", "categories": ["Kitchen > Pots"]},
    {"item_id": "tea", "title": "Black leaves", "brand": "Leaf", "categories": ["Food > Drinks"]},
    {"item_id": "jam", "title": "Plum jam", "brand": "Farm", "categories": ["Food > Spreads"]},
    {"item_id": "lamp", "title": "Steel lamp", "brand": "Lux", "categories": ["Home > Light"]},
    {"item_id": "bulb", "title": "Warm bulb", "brand": "Lux", "categories": ["Home > Light"]},
    {"item_id": "rug", "title": "Wool rug", "brand": "Weave", "categories": ["Home > Floor"]},
]
GROUPS: Final = 10
SIZE: Final = 6
_BUILT: list[tuple[Any, Any, Any]] = []


def visit(visitor: str, *items: str, days: float) -> list[dict[str, Any]]:
    """Views of one visit, a minute apart, so many days ago."""
    began = NOW - timedelta(days=days)
    return [
        {
            "type": "view",
            "visitor_id": visitor,
            "item_id": item,
            "occurred_at": (began + timedelta(minutes=n)).isoformat(),
        }
        for n, item in enumerate(items)
    ]


def order(number: int, *items: str, days: float) -> dict[str, Any]:
    lines = [{"item_id": item, "price": 1} for item in items]
    at = (NOW - timedelta(days=days)).isoformat()
    return {
        "type": "purchase",
        "visitor_id": f"buyer{number}",
        "order_id": f"o{number}",
        "items": lines,
        "occurred_at": at,
    }


# Three visits lead from the mug to the cup, one to the pot. Two orders hold tea and pot, two tea and jam and mug, which
# nobody viewed together. The bulb is what everybody looks at now; over the months the cup was. Nobody knows the rug.
EVENTS: Final[Sequence[dict[str, Any]]] = [
    *(event for n in range(3) for event in visit(f"v{n}", "mug", "cup", days=40 + n)),
    *visit("v3", "mug", "pot", days=44),
    *(event for n in range(4, 12) for event in visit(f"v{n}", "cup", days=50 + n)),
    *(event for n in range(12, 16) for event in visit(f"v{n}", "lamp", "bulb", days=1)),
    *(order(n, "tea", "pot", days=60 + n) for n in range(2)),
    *(order(n, "tea", "jam", "mug", days=60 + n) for n in range(2, 4)),
]


@pytest.fixture(autouse=True)
def own_model_store(settings: Any, tmp_path: Path) -> None:
    settings.MODEL_STORE, settings.TRAINING_DIR = str(tmp_path / "models"), str(tmp_path / "training")


@pytest.fixture
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the same model once for all tests: the tables depend on items and events alone."""
    build = building.build

    def remembered(items: Sequence[Any], events: Path, *more: Any) -> Any:
        for known_items, known_events, built in _BUILT:
            if known_items == list(items) and known_events == contents(events):
                return built
        _BUILT.append((list(items), contents(events), build(items, events, *more)))
        return _BUILT[-1][2]

    monkeypatch.setattr(building, "build", remembered)


def contents(events: Path | pa.Table) -> list[Any]:
    table = parquet.read_table(events) if isinstance(events, Path) else events
    return sorted(table.to_pylist(), key=repr)


@pytest.fixture
def filled(api_a: Api, tenant_a: TenantRef) -> Api:
    """Shop A with the tiny shop's items and events, not trained yet."""
    with connection.cursor() as cursor:  # the same internal numbers in every test
        cursor.execute(f"ALTER SEQUENCE {tenant_a.schema}.catalog_item_id_seq RESTART")
    notice(api_a)
    assert api_a.post("catalog/items/batch", {"items": ITEMS}).json["created"] == len(ITEMS)
    assert api_a.post("events/batch", {"events": EVENTS}).json["accepted"] == len(EVENTS)
    return api_a


@pytest.fixture
def shop(filled: Api, tenant_a: TenantRef, quick_training: None) -> Api:
    """The tiny shop, trained."""
    running.train(tenant_a)
    notice(filled)
    return filled


@pytest.fixture
def busy(api_a: Api, tenant_a: TenantRef) -> Api:
    """A shop whose visits each stay in one of ten groups of items."""
    notice(api_a)
    names = [f"g{group}-{n}" for group in range(GROUPS) for n in range(SIZE)]
    items = [{"item_id": name, "title": f"Thing {name}"} for name in names]
    assert api_a.post("catalog/items/batch", {"items": items}).json["created"] == len(items)
    random = Random(1)
    events: list[Any] = []
    for n in range(700):
        group = n % GROUPS
        chosen = random.sample(range(SIZE), 3)
        events += visit(f"v{n}", *(f"g{group}-{item}" for item in chosen), days=60 - n / 12)
    for start in range(0, len(events), 100):
        assert api_a.post("events/batch", {"events": events[start : start + 100]}).status == 202
    return api_a


def notice(api: Api) -> None:
    """Have the serving process look at the tenants' live states now; by itself it takes up to half a second."""
    if api.edge.application.edge is not None:
        api.edge.application.edge.states._states.clear()


def slate(api: Api, **params: Any) -> Any:
    answer = api.get("recommendations", params)
    assert answer.status == 200, answer.body
    return answer.json


AGEING = ("new", "trending")
"""Strategies whose scores fall while time passes, though nothing else does."""


def lasting(answer: Any) -> Any:
    """What two answers to one question share while nothing is published: all but the id and scores that age."""
    items = [item | ({"score": 0} if item["source"] in AGEING else {}) for item in answer["items"]]
    return answer | {"recommendation_id": "", "items": items}


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def by(answer: Any, source: str) -> list[str]:
    """The items that a strategy supplied, in order."""
    return [item["item_id"] for item in answer["items"] if item["source"] == source]


def texts(items: Iterable[Any]) -> list[str]:
    return [item["reason"]["text"] for item in items]
