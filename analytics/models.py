"""What is found by looking at events and the catalogue together."""

from typing import Any

from django.db import models


class QualityCheck(models.Model):
    """When the events were last compared with the catalogue, and since when they were looked at. One row."""

    checked_at = models.DateTimeField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.checked_at)


class UnknownItem(models.Model):
    """An item that events name and the catalogue does not hold, as of the last check."""

    item_id = models.CharField(max_length=128, unique=True, db_collation="C")
    events = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.item_id


class EventCheck(models.Model):
    """What was found when the events were last judged, and since when they were looked at. One row."""

    checked_at = models.DateTimeField()
    since = models.DateTimeField()
    findings: "models.JSONField[Any, Any]" = models.JSONField(default=list)

    def __str__(self) -> str:
        return str(self.checked_at)
