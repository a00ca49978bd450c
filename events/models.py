"""The event store: append-only, one row per item line, partitioned by the month in which it occurred."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from imports import models as imports


class EventQuerySet(models.QuerySet["Event"]):
    def trusted(self) -> "EventQuerySet":
        """Those that are no bot's and not absurd: what trainings and statistics count."""
        return self.filter(flag__isnull=True)


class Event(models.Model):
    """One item line of one event (impressions, too, are events with several lines).

    The table is partitioned (see the first migration); the primary key therefore holds the partition key.
    """

    pk = models.CompositePrimaryKey("occurred_at", "id")
    id = models.BigIntegerField()  # from the sequence events_event_id_seq
    event_id = models.UUIDField()
    line = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=32)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    visitor_id = models.CharField(max_length=128)
    user_id = models.CharField(max_length=128, null=True)  # noqa: DJ001 - absent is not empty
    session_id = models.CharField(max_length=128, null=True)  # noqa: DJ001
    item_id = models.CharField(max_length=128, null=True)  # noqa: DJ001
    quantity = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, null=True)  # noqa: DJ001
    order_id = models.CharField(max_length=128, null=True)  # noqa: DJ001
    recommendation_id = models.CharField(max_length=128, null=True)  # noqa: DJ001
    placement = models.CharField(max_length=128, null=True)  # noqa: DJ001
    position = models.PositiveIntegerField(null=True)
    properties: "models.JSONField[Any, Any]" = models.JSONField(null=True)
    consent = models.BooleanField(null=True)
    flag = models.CharField(max_length=32, null=True)  # noqa: DJ001 - why trainings and statistics leave it out

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.item_id} by {self.visitor_id}"


class EventKey(models.Model):
    """The event ids seen so far, unique over all months; a retried event finds its id here and is not stored again."""

    event_id = models.UUIDField(primary_key=True)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [BrinIndex(fields=["occurred_at"])]

    def __str__(self) -> str:
        return str(self.event_id)


class Tally(models.Model):
    """How often something happened on a UTC day: events accepted, duplicates, rejections by code, flags, notes."""

    day = models.DateField()
    name = models.CharField(max_length=64)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "name"], name="events_tally_day_name")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.count}"


class Cursor(models.Model):
    """How far something that follows the stored events has come, by the time they were received."""

    name = models.CharField(max_length=32, primary_key=True)
    received_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.received_until:%Y-%m-%d %H:%M:%S}"


class ArchivedMonth(models.Model):
    """A closed month of events that was written to Parquet; `sha256` also names the file.

    While `dropped_at` is null the month's partition is whole and the file is a copy of it. Afterwards the file is all
    there is, but for events that came later, which are in the partition and not in the file.
    """

    month = models.DateField(primary_key=True)
    rows = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    archived_at = models.DateTimeField(db_default=Now())
    received_until = models.DateTimeField(null=True, help_text="When the last of its rows was received.")
    dropped_at = models.DateTimeField(null=True, help_text="When the database gave the month's rows up.")

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.rows} rows"


class Erasure(models.Model):
    """A visitor's or user's data that were erased; once it is completed, only a keyed digest tells who it was.

    Until then `subject` holds what is needed to go on: see `events.erasing.Subject`.
    """

    digest = models.CharField(max_length=64)
    subject: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    events = models.BigIntegerField(default=0, help_text="Events erased in the database.")
    archived_events = models.BigIntegerField(default=0, help_text="Events erased in the archive.")
    archived_until = models.DateField(null=True, help_text="The last archived month that was written anew.")
    requested_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-requested_at", "-id"]

    def __str__(self) -> str:
        return f"erasure {self.pk}"


class Import(imports.Import):
    """One reading of a file of events from the past.

    `rows` are the sum of stored, duplicates and rejected; `events` are those that the stored rows became. `type` is
    that of rows without one; instants without an offset are those of `timezone`, and read as `date_format` says.
    """

    results = ("stored", "duplicates", "rejected", "events")

    format = models.CharField(max_length=16)
    type = models.CharField(max_length=32, blank=True, default="")
    timezone = models.CharField(max_length=64, default="UTC")
    date_format = models.CharField(max_length=64, blank=True, default="")
    mapping: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    stored = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    events = models.PositiveIntegerField(default=0)


class RejectedRow(imports.RejectedRow):
    """Why a row of an import was not taken."""

    import_run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejected_rows")
