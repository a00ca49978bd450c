"""`manage.py edit_tenant`: the settings of a shop."""

from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import actors, audit, directory
from tenants.changing import BY_STAFF, edit_tenant
from tenants.management.arguments import add_settings, add_tenant, given


class Command(OperatorCommand):
    help = "Change settings of a tenant; they hold in every process within a second."
    examples = (
        "gift-shop --plan growth",
        'gift-shop --name "The Gift Shop" --notice "simulated"',
        "gift-shop --origin https://gifts.example --origin https://www.gifts.example",
        "gift-shop --no-origins --requires-second-factor",
        "gift-shop --event-retention-days 90 --event-type wishlist --event-type newsletter",
        "gift-shop --training-every 120 --serving-log-share 0.1",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument("--name", help="the shop's name as people read it")
        add_settings(parser)
        parser.add_argument("--no-origins", action="store_const", const=[], dest="allowed_origins", help="allow none")
        parser.add_argument(
            "--requires-second-factor", action=BooleanOptionalAction, help="members open it only with a second factor"
        )

        parser.add_argument(
            "--event-retention-days", type=int, metavar="DAYS", help="how long events are kept; older ones are deleted"
        )
        parser.add_argument(
            "--event-type", action="append", metavar="NAME", dest="event_types",
            help="a type of event of its own, which replaces those it has; may be repeated",
        )  # fmt: skip
        parser.add_argument("--no-event-types", action="store_const", const=[], dest="event_types", help="none")
        parser.add_argument(
            "--training-every",
            type=int,
            metavar="MINUTES",
            help="train so often, if there is new data; 0: by hand only",
        )
        parser.add_argument(
            "--serving-log-share",
            type=float,
            metavar="SHARE",
            help="log what is shown to this share of visitors, 0 to 1",
        )

    def run(self, *, tenant: str, **options: Any) -> dict[str, Any]:
        changes = given(options, *BY_STAFF)
        if not changes:
            raise DomainError("invalid", "Nothing to change was named; --help lists what can be.")
        row = edit_tenant(directory.get_model(tenant), changes, by=actors.of_command())
        return {"slug": row.slug, **audit.values(row, BY_STAFF)}
