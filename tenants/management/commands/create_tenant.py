"""`manage.py create_tenant`: a new shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.management.arguments import add_settings, given
from tenants.plans import BY_OPERATORS
from tenants.provisioning import NewTenant

OF_NEW = ("currency", "timezone", "locale", "notice", "allowed_origins")


class Command(OperatorCommand):
    help = "Create a tenant with a schema of its own, and if wanted an owner and its first API keys."
    examples = (
        'gift-shop "Gift Shop"',
        'gift-shop "Gift Shop" --currency GBP --timezone Europe/London --locale en-GB --plan growth',
        'gift-shop "Gift Shop" --owner ann@shop.example --with-keys --json',
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="2 to 40 lower-case letters, digits and hyphens; names the tenant everywhere")
        parser.add_argument("name", help="the shop's name as people read it")
        add_settings(parser)
        parser.add_argument("--owner", metavar="EMAIL", help="a person who has an account, and owns the shop")
        parser.add_argument(
            "--with-keys", action="store_true", help="make a key of each type and show them, now and never again"
        )

    def run(self, *, slug: str, name: str, owner: str | None, with_keys: bool, **options: Any) -> dict[str, Any]:
        chosen = given(options, *OF_NEW)
        new = NewTenant(name, slug, **{**chosen, "allowed_origins": tuple(chosen.get("allowed_origins", ()))})
        tenant, made = operating.open_shop(
            new, options["plan"] or BY_OPERATORS, owner=operating.person(owner) if owner else None,
            with_keys=with_keys, by=actors.of_command(),
        )  # fmt: skip
        answer: dict[str, Any] = {
            "slug": tenant.slug, "schema": tenant.schema_name, "currency": tenant.currency, "plan": tenant.plan
        }  # fmt: skip
        answer |= {"owner": owner} if owner else {}
        return answer | ({"keys": {str(kind): str(token) for kind, token in made.items()}} if made else {})
