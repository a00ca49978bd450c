"""Logs of visits of different kinds, each as a training log and a test set that `manage.py evaluate` takes.

Recorded ones lie in a directory that is given (RetailRocket, REES46) or come with the example shop; made ones follow
from a seed. The newest tenth of the visits of two steps or more, by their end, is the test set, as session recommenders
are judged: every step of a visit is asked for out of the ones before it, repeats included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bench import made_visits, power_law
from bench.divided import split, split_histories, write
from recomengine.demo import gift_shop
from recommendations.algorithms.types import INTERACTIONS
from recommendations.logs import reading

Make = Callable[[Path, Path], tuple[Path, Path]]
"""The paths of a training log and a test set, from a directory of recordings and one to write to; raises NoData."""
RETAIL_ROCKET: Final = ("retailrocket_sessions_train.parquet", "retailrocket_sessions_test.parquet")


class NoData(Exception):
    """A recording is not there; says which."""


@dataclass(frozen=True, slots=True)
class SessionLog:
    """A log by name; `histories`: what a visitor did is one session, whatever the pauses."""

    name: str
    make: Make
    histories: bool = False


def recorded(data: Path, name: str) -> Path:
    """The path of a recording; raises NoData if it is not there."""
    path = data / name
    if not path.exists():
        raise NoData(f"there is no {path}")
    return path


def _published(data: Path, _: Path) -> tuple[Path, Path]:
    return recorded(data, RETAIL_ROCKET[0]), recorded(data, RETAIL_ROCKET[1])


def _events(name: str, columns: Mapping[str, str], types: Mapping[str, str]) -> Make:
    """A log of recorded events, of which some columns and types have other names."""

    def make(data: Path, work: Path) -> tuple[Path, Path]:
        table = parquet.read_table(recorded(data, name), columns=list(columns)).rename_columns(list(columns.values()))
        kinds = pa.array([types[kind] for kind in table["type"].to_pylist()])
        whole = work / "whole.parquet"
        parquet.write_table(table.set_column(table.column_names.index("type"), "type", kinds), whole)
        return write(work, *split(reading.read(whole, work).interactions))

    return make


def _made(interactions: Callable[[], pa.Table]) -> Make:
    return lambda _, work: write(work, *split(interactions()))


def _histories(interactions: Callable[[], pa.Table]) -> Make:
    return lambda _, work: write(work, *split_histories(interactions()))


def _walks() -> pa.Table:
    names = INTERACTIONS.to_pyarrow()
    return pa.concat_tables(power_law.chunks(power_law.Log(200_000))).select(names.names).cast(names)


def _customers(data: Path, work: Path) -> tuple[Path, Path]:
    """Online Retail, all that a known customer bought as one session, in the order in which it was written down."""
    table = parquet.read_table(recorded(data, "online_retail.parquet"))
    bought = table.filter(pc.and_(table["CustomerID"].is_valid(), pc.greater(table["Quantity"], 0)))
    place = pa.array(range(bought.num_rows), pa.duration("us"))  # lines of an order have one time, to the minute
    moments = pc.add(bought["InvoiceDate"].cast(pa.timestamp("us")), place)
    log = {"visitor_id": bought["CustomerID"], "session_id": bought["CustomerID"], "occurred_at": moments,
           "item_id": bought["StockCode"]}  # fmt: skip
    whole = work / "whole.parquet"
    parquet.write_table(pa.table(log), whole)
    return write(work, *split(reading.read(whole, work).interactions))


def _orders() -> pa.Table:
    """The orders of the example shop's known customers, each line a look."""
    lines = gift_shop.lines()
    lines = lines.filter(lines["customer"].is_valid())
    nothing = pa.nulls(lines.num_rows)
    columns = {
        "visitor": lines["customer"].cast(pa.string()),
        "session": nothing,
        "type": pa.repeat("view", lines.num_rows),
        "item": lines["item_id"].combine_chunks().dictionary_encode().indices,
        "occurred_at": lines["invoice_date"].cast(pa.timestamp("us", "UTC")),
        "order_id": nothing,
        "quantity": nothing,
    }
    schema = INTERACTIONS.to_pyarrow()
    found = pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)
    return found.group_by(found.column_names).aggregate([])


def _single_items() -> pa.Table:
    """Of each day of a customer one random item, and of the moment no more than the day: what reviews look like."""
    rows = _orders().sort_by([("visitor", "ascending"), ("occurred_at", "ascending"), ("item", "ascending")])
    days = pc.floor_temporal(rows["occurred_at"], unit="day")
    rows = rows.set_column(rows.column_names.index("occurred_at"), "occurred_at", days)
    drawn = np.random.default_rng(1).permutation(rows.num_rows)
    keys = [(visitor, day) for visitor, day in zip(rows["visitor"].to_pylist(), days.to_pylist(), strict=True)]
    kept = {keys[row]: row for row in drawn.tolist()}
    return rows.take(pa.array(sorted(kept.values())))


LOGS: Final = (
    SessionLog("RetailRocket, published", _published),
    SessionLog(
        "RetailRocket, eight days",
        _events(
            "retailrocket_8days_events.parquet",
            {"UserId": "visitor_id", "Time": "occurred_at", "ItemId": "item_id", "Type": "type"},
            {"view": "view", "addtocart": "add_to_cart", "transaction": "purchase"},
        ),
    ),
    SessionLog(
        "REES46, three hours",
        _events(
            "rees46_sample.parquet",
            {
                "user_id": "visitor_id",
                "event_time": "occurred_at",
                "product_id": "item_id",
                "event_type": "type",
                "user_session": "session_id",
            },
            {"view": "view", "cart": "add_to_cart", "purchase": "purchase"},
        ),
    ),
    SessionLog("Online Retail, a customer a session", _customers),
    SessionLog("gift shop, what customers order next", _histories(_orders), histories=True),
    SessionLog("gift shop, one item a day", _histories(_single_items), histories=True),
    SessionLog("made: walks", _made(_walks)),
    SessionLog("made: topics", _made(made_visits.topics)),
    SessionLog("made: successors", _made(made_visits.successors)),
)
