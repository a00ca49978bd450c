"""A shop's items."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Item(models.Model):
    """A product. `item_id` is the shop's id; `id` is ours, small enough for packed neighbour lists."""

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

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.item_id} {self.title}"
