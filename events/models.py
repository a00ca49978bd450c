"""The event store: append-only, one row per item line, partitioned by the month in which it occurred."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now


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
