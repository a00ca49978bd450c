"""Placements and model runs."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from recommendations.types import DEFAULT_LIMIT, MAX_LIMIT, BlendConfig, PartConfig, PlacementConfig


class Placement(models.Model):
    """A slot on a page and the cascade of strategies that fills it."""

    key = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z")])
    name = models.CharField(max_length=120)
    cascade = ArrayField(models.CharField(max_length=64))
    limit = models.PositiveSmallIntegerField(
        default=DEFAULT_LIMIT, validators=[MinValueValidator(1), MaxValueValidator(MAX_LIMIT)]
    )
    one_per_group = models.BooleanField(
        default=True, db_default=True, help_text="Show one variant of a group, and none of the product at hand."
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key

    @property
    def config(self) -> PlacementConfig:
        return PlacementConfig(self.key, tuple(self.cascade), self.limit, self.one_per_group)


class CustomStrategy(models.Model):
    """A strategy of the merchant's own: a blend of built-in ones, `[{"strategy", "weight", "parameters"}, …]`."""

    key = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z")])
    name = models.CharField(max_length=120)
    parts = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key

    @property
    def config(self) -> BlendConfig:
        return BlendConfig(self.key, self.name, tuple(PartConfig(**part) for part in self.parts))


class ModelRun(models.Model):
    """One training: what it read, what it built, whether it was published."""

    class Status(models.TextChoices):
        RUNNING = "running"
        PUBLISHED = "published"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    version = models.CharField(max_length=40, unique=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    stage = models.CharField(max_length=40, blank=True, default="")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    data_from = models.DateTimeField(null=True, blank=True)
    data_to = models.DateTimeField(null=True, blank=True)
    events = models.PositiveBigIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.version} ({self.status})"
