"""`manage.py set_role`: what a person is in a shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory, members, operating
from tenants.management.arguments import add_email, add_tenant
from tenants.types import Role

NONE = "none"


class Command(OperatorCommand):
    help = "Make a person a member of a tenant, change the role, or end the membership. A last owner stays."
    examples = ("gift-shop ann@shop.example owner", "gift-shop bob@shop.example none --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        add_email(parser)
        parser.add_argument("role", choices=[*map(str, Role), NONE], help="each may all that the ones before it may")

    def run(self, *, tenant: str, email: str, role: str, **_: Any) -> dict[str, Any]:
        row, user = directory.get_model(tenant), operating.person(email)
        before = members.assign(row, user, None if role == NONE else Role(role), by=actors.of_command())
        return {"tenant": row.slug, "email": user.email, "role": role, "before": before or NONE}
