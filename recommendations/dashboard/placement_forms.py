"""The form of a placement."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from django import forms
from django.core.exceptions import ValidationError

from catalog.filters import FIELDS, Op
from recomengine.lib.errors import DomainError
from recommendations.models import Placement
from recommendations.types import MAX_LIMIT
from tenants.shop_pages.forms import ShopForm

EXAMPLE: Final = '{"all": [{"field": "price", "op": "lte", "value": 50}]}'


def _share(most: float, label: str, help_text: str) -> forms.FloatField:
    slider = forms.NumberInput(attrs={"type": "range", "step": "0.01", "class": "h-6 w-full accent-primary"})
    return forms.FloatField(min_value=0, max_value=most, label=label, help_text=help_text, widget=slider)


def _choice(label: str, help_text: str) -> forms.BooleanField:
    box = forms.CheckboxInput(attrs={"class": "mt-0.5 size-4 shrink-0 accent-primary"})
    return forms.BooleanField(required=False, label=label, help_text=help_text, widget=box)


class FilterField(forms.CharField):
    """A filter as its JSON text; the catalogue says what a filter is."""

    widget = forms.Textarea(
        attrs={"rows": 4, "spellcheck": "false", "placeholder": EXAMPLE, "class": "textarea w-full font-mono text-xs"}
    )

    def prepare_value(self, value: Any) -> Any:
        return msgspec.json.format(msgspec.json.encode(value)).decode() if isinstance(value, dict) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return msgspec.json.decode(text) if text else None
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise ValidationError(f"This is not valid JSON: {error}", code="invalid") from error


class PlacementForm(ShopForm):
    """All of a placement but its cascade. Its key is asked for once."""

    key = forms.CharField(
        max_length=64,
        help_text="What pages and the API name it by: small letters, digits, hyphens.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "pdp-below"}),
    )
    name = forms.CharField(max_length=120)
    limit = forms.IntegerField(min_value=1, max_value=MAX_LIMIT, label="Products at most")
    diversity = _share(1, "Diversity", "From 0, as ranked, to 1, brands and categories mixed as far as they go.")
    newness = _share(1, "Newness", "How much it counts that a product was published lately.")
    margin = _share(1, "Margin", "How much the attribute margin of a product counts.")
    exploration = _share(0.5, "Exploration", "How often the last slot shows a product by chance.")
    one_per_group = _choice("One variant of each product", "And none of the product at hand.")
    rotation = _choice("Rotation", "What a visitor was shown often and never clicked sinks.")
    filter = FilterField(
        required=False,
        max_length=20_000,
        help_text="Only products that pass it are shown. Empty: all.",
    )
    fields_known = ", ".join(FIELDS)
    operators = ", ".join(Op)

    def __init__(self, row: Placement | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if row is not None:
            del self.fields["key"]

    def refuse(self, error: DomainError) -> None:
        """Show what the domain objects to, and where in a filter it is."""
        for each in error.errors:
            name, _, within = each["pointer"].lstrip("/").partition("/")
            place = f" (at /{within})" if name == "filter" and within else ""
            self.add_error(name if name in self.fields else None, each["message"] + place)
        if not error.errors:
            self.add_error(None, str(error))


def moved(cascade: Sequence[str], move: str, added: str) -> list[str]:
    """The cascade after `up KEY`, `down KEY`, `remove KEY` or `add`; as it is for anything else."""
    found = list(dict.fromkeys(cascade))
    what, _, key = move.partition(" ")
    if what == "add":
        return found if not added or added in found else [*found, added]
    if key not in found:
        return found
    place = found.index(key)
    found.remove(key)
    if what == "remove":
        return found
    found.insert(max(0, place + {"up": -1, "down": 1}.get(what, 0)), key)
    return found
