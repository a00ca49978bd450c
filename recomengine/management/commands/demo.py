"""`manage.py demo`: the whole product on this machine, with two shops."""

from typing import Any, Final

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from recomengine.demo import credentials, processes
from recomengine.demo.console import Narrator
from recomengine.demo.shops import SHOPS, DemoShop
from recomengine.local import lifecycle
from recomengine.local.errors import LocalServicesError
from recomengine.local.paths import CHECKOUT, local_dir
from recomengine.local.ports import require_free_port
from recomengine.local.supervisor import Supervisor, end_left_over
from recommendations import restoring, runs
from tenants import directory
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.types import TenantRef

READY_WITHIN: Final = 60
EXAMPLE: Final = ("gift-shop", "22727")  # alarm clock bakelike red


class Command(BaseCommand):
    help = (
        "Start everything locally: services, database, two demo shops (loaded and trained the first time), the API, "
        "the dashboard, a worker and beat. Ctrl-C stops all of it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--load-only", action="store_true", help="load and train the shops, then stop")

    def handle(self, *_: Any, load_only: bool, **__: Any) -> None:
        try:
            if not load_only:
                end_left_over(CHECKOUT)
                for setting in ("RECOMENGINE_API_PORT", "RECOMENGINE_DASHBOARD_PORT"):
                    require_free_port(processes.HOST, setting)
            self._run(Narrator(), serve=not load_only)
        except LocalServicesError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; `make demo` goes on from here.") from None

    def _run(self, say: Narrator, *, serve: bool) -> None:
        with lifecycle.running(CHECKOUT, say):
            with say.step("Migrating the database", "Database migrated"):
                call_command("migrate_schemas", verbosity=0, interactive=False)
            tenants = [self._shop(say, shop) for shop in SHOPS]
            found = credentials.ensure(local_dir(CHECKOUT) / "demo.json", tenants)
            if serve:
                self._serve(say, found)

    def _shop(self, say: Narrator, shop: DemoShop) -> TenantRef:
        with say.step(f"{shop.slug}: looking", f"{shop.slug}: {shop.notice}"):
            if not Tenant.objects.filter(slug=shop.slug).exists():
                create_tenant(shop.slug, shop.name, currency=shop.currency, notice=shop.notice)
            tenant = directory.get(shop.slug)
            if runs.live(tenant) is None:
                # Only now: what loads and trains takes seconds to import, which a second start is spared.
                from recomengine.demo.load import load

                load(tenant, say)
            elif restoring.is_needed(tenant):
                say(f"{shop.slug}: filling the cache again")
                restoring.restore(tenant)
        return tenant

    def _serve(self, say: Narrator, found: credentials.Credentials) -> None:
        with Supervisor(CHECKOUT, processes.children(CHECKOUT)) as running:
            with say.step("Starting API, dashboard, worker and beat", "API, dashboard, worker and beat started"):
                if not running.wait_for(processes.answering, READY_WITHIN) and not running.asked_to_stop:
                    raise CommandError(f"Not ready after {READY_WITHIN} seconds; see .local/log/.")
            if not running.asked_to_stop:
                say.ready(found, *EXAMPLE)
                running.wait()
        say.console.print("Stopped. `make demo` starts again where this ended.")
