"""Arguments that several commands take."""

from typing import Any

from django.core.management.base import CommandParser

from tenants.plans import PLANS


def add_tenant(parser: CommandParser) -> None:
    parser.add_argument("tenant", metavar="SLUG", help="the tenant's slug")


def add_key(parser: CommandParser) -> None:
    add_tenant(parser)
    parser.add_argument("key_id", metavar="KEY_ID", help="the 12 characters after the type in the key")


def add_email(parser: CommandParser) -> None:
    parser.add_argument("email", metavar="EMAIL", help="the person's address")


def add_settings(parser: CommandParser) -> None:
    """A tenant's settings; None, or no origins at all, where the argument is not there."""
    parser.add_argument("--currency", metavar="CODE", help="ISO 4217 code of its prices, e.g. EUR")
    parser.add_argument("--timezone", metavar="NAME", help="of the IANA database, e.g. Europe/Berlin")
    parser.add_argument("--locale", metavar="TAG", help="a language tag, e.g. de or pt-BR")
    parser.add_argument("--plan", choices=list(PLANS), help="what it may use")
    parser.add_argument("--notice", metavar="TEXT", help="shown beside the shop's data, e.g. “simulated”")
    parser.add_argument(
        "--origin", action="append", metavar="URL", dest="allowed_origins",
        help="an origin whose pages may use its publishable keys, e.g. https://shop.example; may be repeated",
    )  # fmt: skip


def given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of the named options that were there."""
    return {name: options[name] for name in names if options.get(name) is not None}
