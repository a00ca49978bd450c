"""`manage.py evaluate`: what the engine makes of any log, beside what is popular."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations.logs import trials
from recommendations.logs.columns import shown


class Command(OperatorCommand):
    help = """Train on a log (Parquet) and measure how well a test set is predicted, beside what is popular; no tenant.
No server has to run.

Ids may be numbers or text, rows may stand in any order, and a directory of files is one log. occurred_at: times,
dates, ISO 8601 (UTC without an offset), or Unix seconds, milli-, micro- or nanoseconds. Sessions without times follow
one another by number, or else by name. A target that the training does not know counts as missed, unless the prefix
holds it and the strategy shows what was seen. `trending`, `new` and `buy_again` depend on the moment of asking, which a
test set does not say."""
    examples = (
        "--train TRAIN.parquet --test TEST.parquet",
        "--train TRAIN.parquet --test TEST.parquet --strategy session --k 20 --novel --json",
        "--train TRAIN.parquet --test TEST.parquet --strategy similar --items ITEMS.csv",
    )
    json_help = "a JSON object per line, the strategy's first"

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--train",
            type=Path,
            required=True,
            help="session, pos, item; or visitor_id, occurred_at, item_id[, type, session_id, order_id, quantity]",
        )
        parser.add_argument("--test", type=Path, required=True, help="prefix (items, oldest first) and target")
        parser.add_argument(
            "--items",
            type=Path,
            help="the shop's items, for `similar` and for coverage: item_id, title[, brand, categories, …]; Parquet, "
            "or a feed as imports take it (CSV, JSON Lines, Google Merchant, Shopify)",
        )
        parser.add_argument("--strategy", default="session", help=f"one of {', '.join(trials.STRATEGIES)}")
        parser.add_argument("--k", type=int, default=20, help="how many items a slate shows, 1 to 100")
        parser.add_argument("--novel", action="store_true", help="only targets that the prefix does not hold")

    def run(
        self, *, train: Path, test: Path, items: Path | None, strategy: str, k: int, novel: bool, **_: Any
    ) -> list[dict[str, Any]]:
        return trials.evaluate_log(train, test, strategy, k, novel=novel, items=items, tell=self.warn)

    def warn(self, ignored: Mapping[str, int]) -> None:
        """Say on standard error which rows count for nothing."""
        if ignored:
            types = ", ".join(f"{number:,} of type {shown(name)}" for name, number in sorted(ignored.items()))
            self.stderr.write(f"Rows of the log that trainings pass over: {shown(types)}.")

    def json_text(self, answer: Any) -> str:
        return "\n".join(json.dumps(row) for row in answer)
