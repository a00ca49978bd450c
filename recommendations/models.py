"""Placements, rules, own strategies and model runs."""

from typing import Any, ClassVar

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from recommendations.rules.types import Action, RuleConfig
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


def _share(most: float, meaning: str) -> "models.FloatField[float, float]":
    """A number from 0, where it does nothing, to `most`."""
    return models.FloatField(
        default=0.0, db_default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(most)], help_text=meaning
    )


class Placement(Named):
    """A slot on a page and the cascade of strategies that fills it."""

    cascade = ArrayField(models.CharField(max_length=64))
    limit = models.PositiveSmallIntegerField(
        default=DEFAULT_LIMIT, validators=[MinValueValidator(1), MaxValueValidator(MAX_LIMIT)]
    )
    one_per_group = models.BooleanField(
        default=True, db_default=True, help_text="Show one variant of a group, and none of the product at hand."
    )
    filter: "models.JSONField[Any, Any]" = models.JSONField(
        null=True, blank=True, help_text="Which items it shows at all."
    )
    diversity = _share(1.0, "How much brands and categories are mixed, 0 to 1.")
    rotation = models.BooleanField(
        default=True, db_default=True, help_text="What a visitor was shown often and never clicked sinks."
    )
    margin = _share(1.0, "How much the attribute `margin` of a product counts, 0 to 1.")
    newness = _share(1.0, "How much it counts that a product was published lately, 0 to 1.")
    exploration = _share(0.5, "How often the last slot shows an item by chance, 0 to 0.5.")
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Grows with every change.")

    @property
    def config(self) -> PlacementConfig:
        return PlacementConfig(
            key=self.key,
            cascade=tuple(self.cascade),
            limit=self.limit,
            one_per_group=self.one_per_group,
            filter=self.filter,
            diversity=self.diversity,
            rotation=self.rotation,
            margin=self.margin,
            newness=self.newness,
            exploration=self.exploration,
        )


class Rule(Named):
    """What a merchant wants shown in a placement or everywhere; `action` is one of `rules.types.Action` as JSON.

    Rules apply by `order`, then in the order in which they were made.
    """

    placement = models.CharField(max_length=64, null=True, blank=True, help_text="None: everywhere.")  # noqa: DJ001
    action: "models.JSONField[Any, Any]" = models.JSONField()
    when: "models.JSONField[Any, Any]" = models.JSONField(
        null=True, blank=True, help_text="Only if the product at hand passes this filter."
    )
    order = models.PositiveIntegerField(default=100, db_default=100)
    enabled = models.BooleanField(default=True, db_default=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Grows with every change.")

    class Meta(Named.Meta):
        ordering: ClassVar = ["order", "id"]

    @property
    def config(self) -> RuleConfig:
        return RuleConfig(
            key=self.key,
            name=self.name,
            action=msgspec.convert(self.action, Action),
            placement=self.placement,
            when=self.when,
            starts_at=self.starts_at.timestamp() if self.starts_at else 0.0,
            ends_at=self.ends_at.timestamp() if self.ends_at else 0.0,
        )


class ServedSlate(models.Model):
    """A slate that was served to a visitor (`recommendations.serving_log`), in the order in which it was shown.

    The table is partitioned by month. `share` is the probability with which such a visitor's slates are logged,
    `propensities` those with which each item is in its slot. Experiments' exposures are here, empty slates too.
    """

    pk = models.CompositePrimaryKey("recommendation_id", "served_at")
    recommendation_id = models.UUIDField()
    served_at = models.DateTimeField()
    placement = models.CharField(max_length=128)
    strategy = models.CharField(max_length=64)
    model_version = models.CharField(max_length=40, null=True)  # noqa: DJ001 - absent is not empty
    experiment = models.CharField(max_length=64, null=True)  # noqa: DJ001
    phase = models.IntegerField(null=True)
    variant = models.CharField(max_length=64, null=True)  # noqa: DJ001
    visitor_id = models.CharField(max_length=128)
    user_id = models.CharField(max_length=128, null=True)  # noqa: DJ001
    items_at_hand = ArrayField(models.CharField(max_length=128))
    session_items = ArrayField(models.CharField(max_length=128))
    item_ids = ArrayField(models.CharField(max_length=128))
    sources = ArrayField(models.CharField(max_length=64))
    scores = ArrayField(models.FloatField())
    propensities = ArrayField(models.FloatField())
    degraded = models.BooleanField()
    empty_reason = models.CharField(max_length=32, null=True)  # noqa: DJ001
    share = models.FloatField()

    class Meta:
        ordering = ["-served_at"]

    def __str__(self) -> str:
        return f"{self.recommendation_id} in {self.placement}"


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
