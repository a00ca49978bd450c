"""What tells one kind of imports from another."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic

import structlog
from celery import current_app
from django.db.models import QuerySet
from kombu.exceptions import OperationalError

from imports.models import Import, R
from imports.storing import Files
from recomengine.lib.feeds.types import RowError
from tenants.types import TenantRef

KEPT: Final = 100_000
"""So many of an import's rejected rows are kept; all are counted."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of imports: its tables, its files, the task that runs a tenant's, and its name in the audit log.

    `rejected` is a model built on `imports.models.RejectedRow`, with a foreign key `import_run`.
    """

    name: str
    model: type[R]
    rejected: type[Any]
    files: Files
    task: str

    def rows(self) -> "QuerySet[R]":
        """The imports of the tenant in use, newest first."""
        return self.model._default_manager.all()

    def run_later(self, tenant: TenantRef) -> None:
        """Have a worker run the tenant's waiting imports; if the queue is away, beat asks again within a minute."""
        try:
            current_app.send_task(self.task, args=[tenant.slug])
        except OperationalError as error:
            log.warning("queue away, imports wait", tenant=tenant.slug, error=str(error))

    def reject(self, row: Import, errors: list[RowError]) -> None:
        """Keep why rows were not taken, and count them; to be saved by the step at hand."""
        kept = errors[: max(0, KEPT - row.rejected)]
        self.rejected._default_manager.bulk_create([_rejected(self.rejected, row, each) for each in kept])
        row.rejected += len(errors)

    def forget_rejected(self, imports: Iterable[Any]) -> None:
        """Remove what is kept of the imports' rejected rows."""
        self.rejected._default_manager.filter(import_run__in=imports).delete()


def _rejected(model: type[Any], row: Import, error: RowError) -> Any:
    return model(
        import_run=row,
        line=error.line,
        item_id=error.item_id[:128],
        field=error.field[:320],
        code=error.code[:64],
        message=error.message.replace("\x00", "\ufffd"),
        value=error.value[:200],
    )
