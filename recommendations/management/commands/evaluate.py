"""`manage.py evaluate`: what the engine makes of any log, beside what is popular."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations import trials


class Command(OperatorCommand):
    help = "Train on a log (Parquet) and measure how well a test set is predicted, beside what is popular; no tenant."
    examples = (
        "--train TRAIN.parquet --test TEST.parquet",
        "--train TRAIN.parquet --test TEST.parquet --strategy session --k 20 --novel --json",
    )
    json_help = "a JSON object per line, the strategy's first"

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--train", type=Path, required=True, help="session, pos, item; or visitor_id, occurred_at, item_id[, type]"
        )
        parser.add_argument("--test", type=Path, required=True, help="prefix (items, oldest first) and target")
        parser.add_argument("--strategy", default="session", help=f"one of {', '.join(trials.STRATEGIES)}")
        parser.add_argument("--k", type=int, default=20, help="how many items a slate shows")
        parser.add_argument("--novel", action="store_true", help="only targets that the prefix does not hold")

    def run(self, *, train: Path, test: Path, strategy: str, k: int, novel: bool, **_: Any) -> list[dict[str, Any]]:
        return trials.evaluate_log(train, test, strategy, k, novel=novel)

    def json_text(self, answer: Any) -> str:
        return "\n".join(json.dumps(row) for row in answer)
