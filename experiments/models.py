"""Experiments: a placement whose visitors are divided between variants."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from experiments.types import ExperimentConfig, VariantConfig


class Experiment(models.Model):
    """Variants of a placement, `[{"key", "weight", "configuration"}, …]`, the control first.

    `phase` counts the starts; each draws its visitors anew. Of one placement one experiment at most is running.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        PAUSED = "paused"

    key = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z")])
    name = models.CharField(max_length=120)
    placement = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    phase = models.PositiveIntegerField(default=0)
    coverage = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Share of the visitors that take part.",
    )
    variants: "models.JSONField[Any, Any]" = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["placement"], condition=Q(status="running"), name="one_running_experiment_a_placement"
            )
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def config(self) -> ExperimentConfig:
        variants = tuple(VariantConfig(**variant) for variant in self.variants)
        return ExperimentConfig(self.key, self.placement, self.phase, self.coverage, variants)
