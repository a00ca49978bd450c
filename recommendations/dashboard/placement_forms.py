"""The form of a placement."""

from collections.abc import Sequence
from typing import Any

from django import forms

from recomengine.lib.errors import DomainError
from recommendations.dashboard.filtered_form import FilteredForm, FilterTitle
from recommendations.models import Placement
from recommendations.types import MAX_LIMIT


def _share(most: float, label: str, help_text: str) -> forms.FloatField:
    slider = forms.NumberInput(attrs={"type": "range", "step": "0.01", "class": "h-6 w-full accent-primary"})
    return forms.FloatField(min_value=0, max_value=most, label=label, help_text=help_text, widget=slider)


def _choice(label: str, help_text: str) -> forms.BooleanField:
    box = forms.CheckboxInput(attrs={"class": "mt-0.5 size-4 shrink-0 accent-primary"})
    return forms.BooleanField(required=False, label=label, help_text=help_text, widget=box)


class PlacementForm(FilteredForm):
    """All of a placement but its cascade. Its key is asked for once."""

    FILTERS = (FilterTitle("filter", "Only some products", "Left empty, any product may be shown here."),)

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

    def __init__(self, row: Placement | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if row is not None:
            del self.fields["key"]

    def settings(self) -> dict[str, Any]:
        """What is set of the placement, by the names of its columns."""
        filters: dict[str, Any] = self.cleaned_data["filters"]
        return {name: self.cleaned_data[name] for name in self.fields} | filters

    def refuse(self, error: DomainError) -> None:
        """Show what the domain objects to, beside what it is about."""
        for each in error.errors:
            name, *within = each["pointer"].strip("/").split("/")
            if name in self.rows:
                self.refuse_filter(name, within, each)
            else:
                self.add_error(name if name in self.fields else None, each["message"])
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
