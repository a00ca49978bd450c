import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments.bucketing import bucket


class Command(BaseCommand):
    help = "Print the bucket (0-1) of each visitor id under an experiment's seed, one JSON object per line."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("seed", help="<tenant>:<experiment>:<phase>")
        parser.add_argument("visitor_ids", metavar="ID", nargs="+")

    def handle(self, *, seed: str, visitor_ids: list[str], **_options: Any) -> None:
        for visitor_id in visitor_ids:
            self.stdout.write(f'{{"id":{json.dumps(visitor_id)},"bucket":{bucket(seed, visitor_id):.4f}}}')
