"""Placements and model runs."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from recommendations.types import DEFAULT_LIMIT, MAX_LIMIT, BlendConfig, PartConfig, PlacementConfig


class Named(models.Model):
    """What a shop names by a key of its own."""

    key = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z")])
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.key


class Placement(Named):
    """A slot on a page and the cascade of strategies that fills it."""

    cascade = ArrayField(models.CharField(max_length=64))
    limit = models.PositiveSmallIntegerField(
        default=DEFAULT_LIMIT, validators=[MinValueValidator(1), MaxValueValidator(MAX_LIMIT)]
    )
    one_per_group = models.BooleanField(
        default=True, db_default=True, help_text="Show one variant of a group, and none of the product at hand."
    )

    @property
    def config(self) -> PlacementConfig:
        return PlacementConfig(self.key, tuple(self.cascade), self.limit, self.one_per_group)


class CustomStrategy(Named):
    """A strategy of the merchant's own: a blend of built-in ones, `[{"strategy", "weight", "parameters"}, …]`."""

    parts = models.JSONField()

    @property
    def config(self) -> BlendConfig:
        return BlendConfig(self.key, self.name, tuple(PartConfig(**part) for part in self.parts))


class ModelRun(models.Model):
    """One training: how far it is, what it read and built, how good that is, and what became of it.

    `attempts` counts the processes that worked on it; only the newest may write here. `split_at` is the moment after
    which its twin has seen nothing. `decision` is the gate's, with its reason in words.
    """

    class Status(models.TextChoices):
        RUNNING = "running"
        PUBLISHED = "published"
        HELD_BACK = "held_back"
        FAILED = "failed"
        SUPERSEDED = "superseded"
        ROLLED_BACK = "rolled_back"

    WITH_MODEL: ClassVar = (Status.PUBLISHED, Status.HELD_BACK, Status.SUPERSEDED, Status.ROLLED_BACK)

    version = models.CharField(max_length=40, unique=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    stage = models.CharField(max_length=40, blank=True, default="")
    doing = models.CharField(max_length=80, blank=True, default="", db_default="")
    progress = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="In percent.")
    attempts = models.PositiveSmallIntegerField(default=1, db_default=1)
    started_at = models.DateTimeField(db_default=Now())
    attempted_at = models.DateTimeField(db_default=Now(), help_text="When the last attempt began.")
    finished_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, help_text="When it became the live one, the last time.")
    is_pinned = models.BooleanField(
        default=False, db_default=False, help_text="Somebody went back to it: no training by the clock replaces it."
    )
    data_from = models.DateTimeField(null=True, blank=True)
    data_to = models.DateTimeField(null=True, blank=True)
    split_at = models.DateTimeField(null=True, blank=True)
    events = models.PositiveBigIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    parameters: "models.JSONField[Any, Any]" = models.JSONField(default=dict, db_default={}, blank=True)
    quality: "models.JSONField[Any, Any]" = models.JSONField(default=list, db_default=[], blank=True)
    decision: "models.JSONField[Any, Any]" = models.JSONField(null=True, blank=True)
    seconds: "models.JSONField[Any, Any]" = models.JSONField(default=dict, db_default={}, blank=True)
    report: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.version} ({self.status})"
