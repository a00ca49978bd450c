"""A shop's items, the feeds they come from, and the imports of those."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from catalog.feeds.types import Format
from imports import models as imports


class ItemManager(models.Manager["Item"]):
    """Items without what is derived of them for the search, which is large and never shown."""

    def get_queryset(self) -> "models.QuerySet[Item]":
        return super().get_queryset().defer("category_paths", "document")


class Item(models.Model):
    """A product. `item_id` is the shop's id; `id` is ours, small enough for packed neighbour lists.

    The last four columns are derived. `items.UPSERT` keeps three: `content_changed_at` is when what trainings read of
    it changed last, which neither price nor stock is; `category_paths` are the categories with all that they lie under,
    `document` is what is searched. `popularity` is set by the trainings.
    """

    class Availability(models.TextChoices):
        IN_STOCK = "in_stock"
        OUT_OF_STOCK = "out_of_stock"
        PREORDER = "preorder"

    item_id = models.CharField(max_length=128, unique=True, db_collation="C")
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True, default="")
    url = models.CharField(max_length=2000, blank=True, default="")
    image_url = models.CharField(max_length=2000, blank=True, default="")
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    sale_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    sale_starts_at = models.DateTimeField(null=True, blank=True)
    sale_ends_at = models.DateTimeField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    availability = models.CharField(max_length=16, choices=Availability, default=Availability.IN_STOCK)
    brand = models.CharField(max_length=300, blank=True, default="")
    categories = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    group_id = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - no group is not an empty group
    published_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    content_changed_at = models.DateTimeField(db_default=Now(), editable=False)
    category_paths = ArrayField(models.TextField(), default=list, db_default=[], editable=False)
    document = SearchVectorField(null=True, editable=False)
    popularity = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    objects = ItemManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex(fields=["document"], name="item_document"),
            GinIndex(fields=["category_paths"], name="item_category_paths"),
            GinIndex(fields=["attributes"], name="item_attributes", opclasses=["jsonb_path_ops"]),
            models.Index(fields=["-popularity", "-id"], name="item_popularity"),
            models.Index(fields=["brand"], name="item_brand"),
            models.Index(fields=["content_changed_at"], name="item_content_changed"),
            models.Index(fields=["group_id"], name="item_group", condition=models.Q(group_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.title}"


class Word(models.Model):
    """A word that items are found by, without accents: what a mistyped one is corrected to."""

    word = models.TextField(primary_key=True, db_collation="C")

    class Meta:
        indexes = [GinIndex(fields=["word"], name="word_trigrams", opclasses=["public.gin_trgm_ops"])]

    def __str__(self) -> str:
        return self.word


class DocumentsLanguage(models.Model):
    """The text search configuration that the search documents were made with: one row, none while they are made."""

    configuration = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.configuration


FORMATS = [(str(each), str(each)) for each in Format]


class Mode(models.TextChoices):
    """What an import does with the items that the feed does not hold: `delta` keeps, `replace` deletes them."""

    DELTA = "delta"
    REPLACE = "replace"


class Source(models.Model):
    """A feed that comes again: where it lies, how it is read, and when it is fetched next."""

    key = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z")])
    name = models.CharField(max_length=120)
    format = models.CharField(max_length=16, choices=FORMATS)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.DELTA)
    mapping: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    url = models.CharField(max_length=2000, blank=True, default="")
    every_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(15), MaxValueValidator(60 * 24 * 31)]
    )
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    etag = models.CharField(max_length=300, blank=True, default="", editable=False)
    last_modified = models.CharField(max_length=100, blank=True, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class Import(imports.Import):
    """One reading of a feed into the catalogue.

    `rows` are the sum of created, updated, unchanged and rejected. `error` of one that completed is what it held back.
    """

    results = ("format", "created", "updated", "unchanged", "rejected", "deleted")
    position = ("rows", "deleted")

    source = models.ForeignKey(Source, on_delete=models.SET_NULL, null=True, blank=True, related_name="imports")
    format = models.CharField(max_length=16, choices=FORMATS)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.DELTA)
    mapping: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    url = models.CharField(max_length=2000, blank=True, default="")
    max_deleted_share = models.FloatField(default=0.5, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    allow_deletions = models.BooleanField(default=False, db_default=False)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)

    @property
    def is_fetched(self) -> bool:
        return bool(self.url)


class RejectedRow(imports.RejectedRow):
    """Why a row of an import was not taken."""

    import_run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejected_rows")


class ImportedItem(models.Model):
    """An item that a replacing import has met, while it runs: what it does not meet is deleted at its end."""

    import_run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="met")
    item_id = models.CharField(max_length=128, db_collation="C")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["import_run", "item_id"], name="met_once")]

    def __str__(self) -> str:
        return self.item_id
