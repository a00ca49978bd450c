"""An import and its rejected rows, as far as all kinds have them; every app has tables of its own."""

from typing import ClassVar, TypeVar

from django.db import models
from django.db.models.functions import Now

from recomengine.lib import clock


class Import(models.Model):
    """One reading of a file: how far it is and what became of the rows.

    `rows` are those that were read and dealt with. `error_code` and `error` say why it ended early or, of one that
    completed, what is to be known of it. `results` names the columns that count what became of rows; with `position`
    every process that is at an import tells whether another one overtook it.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    PENDING: ClassVar = (Status.QUEUED, Status.RUNNING)
    results: ClassVar[tuple[str, ...]] = ("rejected",)
    position: ClassVar[tuple[str, ...]] = ("rows",)

    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    cancel_requested = models.BooleanField(default=False)
    filename = models.CharField(max_length=300, blank=True, default="")
    bytes_total = models.PositiveBigIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="")
    requested_by = models.CharField(max_length=200, blank=True, default="")
    requested_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.pk} ({self.status})"

    @property
    def is_over(self) -> bool:
        return self.status not in self.PENDING

    @property
    def is_fetched(self) -> bool:
        """Whether its file comes from somewhere and can be had again."""
        return False

    def end(self, status: str, code: str = "", message: str = "") -> None:
        """Say how it ended; to be saved."""
        self.status, self.error_code, self.error, self.finished_at = status, code, message, clock.now()

    @property
    def share(self) -> float | None:
        """How much of the file was read, 0 to 1; None before its size is known."""
        if self.status == self.Status.COMPLETED:
            return 1.0
        return round(min(self.bytes_read / self.bytes_total, 1.0), 4) if self.bytes_total else None


class RejectedRow(models.Model):
    """Why a row of an import was not taken; a kind's own model says which import."""

    line = models.PositiveIntegerField()
    item_id = models.CharField(max_length=128, blank=True, default="")
    field = models.CharField(max_length=320, blank=True, default="")
    code = models.CharField(max_length=64)
    message = models.TextField()
    value = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        abstract = True
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.line}: {self.code}"


R = TypeVar("R", bound=Import)


def pending(rows: "models.QuerySet[R]") -> "models.QuerySet[R]":
    """Those that are not over: under way or interrupted first, then those that wait, in their order."""
    first = models.Case(models.When(status=Import.Status.RUNNING, then=0), default=1)
    return rows.filter(status__in=Import.PENDING).order_by(first, "pk")


def over(rows: "models.QuerySet[R]") -> "models.QuerySet[R]":
    return rows.exclude(status__in=Import.PENDING)
