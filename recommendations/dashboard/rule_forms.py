"""The form of a rule: fields of every action, of which those of the chosen one count."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.utils.text import slugify

from recomengine.lib.errors import DomainError
from recommendations.dashboard import filter_rows
from recommendations.dashboard.filtered_form import FilteredForm, FilterTitle
from recommendations.models import Rule
from recommendations.rule_editing import MAX_ORDER
from recommendations.rules.types import MAX_FACTOR, MOST_TIMES
from recommendations.types import MAX_LIMIT
from tenants.shop_pages.forms import FIRST_DAY, LAST_DAY

ACTIONS: Final = (
    ("boost", "Boost products"), ("bury", "Bury products"), ("pin", "Pin a product"),
    ("include", "Show only some products"), ("exclude", "Leave products out"),
    ("same_category", "Only the category of the product at hand"),
    ("price_band", "Only prices near the product at hand"),
    ("hide", "Hide what a visitor bought, has in the cart or saw often"),
)  # fmt: skip
FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "pin": ("item_id", "position"), "boost": ("factor",), "bury": (), "include": (), "exclude": (),
    "same_category": ("levels",), "price_band": ("lowest", "highest"), "hide": ("what", "times"),
}  # fmt: skip
NEEDED: Final = frozenset({"item_id", "position", "factor", "what", "times"})
FILTERED: Final = frozenset({"boost", "bury", "include", "exclude"})
_MOMENT: Final = "%Y-%m-%dT%H:%M"


class MomentField(forms.DateTimeField):
    """A moment as it is written on the shop's clocks."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is not None and not FIRST_DAY <= moment.date() < LAST_DAY:
            raise forms.ValidationError(f"Choose a day from {FIRST_DAY.year} to {LAST_DAY.year - 1}.", code="invalid")
        return moment


class RuleForm(FilteredForm):
    """A rule as people write it."""

    FILTERS = (
        FilterTitle("filter", "Which products", "The products that the rule is about."),
        FilterTitle("when", "Only if the product at hand …", "Left empty, the rule holds on every page."),
    )

    name = forms.CharField(max_length=120)
    key = forms.CharField(
        max_length=64, required=False, help_text="What the API calls it. Made from the name if left empty."
    )
    placement = forms.ChoiceField(required=False)
    action = forms.ChoiceField(label="What it does", choices=ACTIONS)
    item_id = forms.CharField(max_length=128, required=False, label="Product", help_text="Its id.")
    position = forms.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False, help_text="1 is the first.")
    factor = forms.FloatField(
        min_value=1, max_value=MAX_FACTOR, required=False, label="Counts … times as much", help_text="2 doubles."
    )
    levels = forms.IntegerField(
        min_value=1, max_value=10, required=False, label="Levels of the category",
        help_text="1 is the main category; empty means all of it.",
    )  # fmt: skip
    lowest = forms.FloatField(
        min_value=0, max_value=1000, required=False, label="At least … times the price",
        help_text="0.5 is half the price of the product at hand.",
    )  # fmt: skip
    highest = forms.FloatField(
        min_value=0,
        max_value=1000,
        required=False,
        label="At most … times the price",
        help_text="2 is twice the price.",
    )
    what = forms.ChoiceField(
        label="Hide what the visitor", required=False,
        choices=[("purchased", "bought"), ("in_cart", "has in the cart"), ("seen", "was shown often, without a click")],
    )  # fmt: skip
    times = forms.IntegerField(
        min_value=1, max_value=MOST_TIMES, required=False, initial=5, label="Often is … times",
        help_text="Counts for what was shown often.",
    )  # fmt: skip
    order = forms.IntegerField(
        min_value=0, max_value=MAX_ORDER, initial=100, help_text="Lower numbers apply first within a stage."
    )
    enabled = forms.BooleanField(
        required=False, initial=True, label="It is on", widget=forms.CheckboxInput(attrs={"class": "checkbox"})
    )
    starts_at = MomentField(required=False, label="From")
    ends_at = MomentField(required=False, label="Until")

    def __init__(self, *args: Any, placements: Sequence[tuple[str, str]], zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone
        choice = self.fields["placement"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "Everywhere"), *((key, f"{name} ({key})") for key, name in placements)]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        action = data.get("action", "")
        for name in FIELDS.get(action, ()):
            if name in NEEDED and data.get(name) in {None, ""} and name not in self.errors:
                self.add_error(name, "This is needed.")
        if action == "price_band" and data.get("lowest") is None and data.get("highest") is None:
            self.add_error("lowest", "Say one of the two.")
        if action in FILTERED and data["filters"]["filter"] is None and not self.filter_errors("filter"):
            self.add_error(None, "Say which products: fill in one condition at least.")
        return data

    @property
    def sent(self) -> dict[str, Any]:
        """The rule as the API takes it."""
        data = self.cleaned_data
        kind = data["action"]
        action = {name: data[name] for name in FIELDS[kind] if data[name] is not None}
        if kind in FILTERED:
            action["filter"] = data["filters"]["filter"]
        return {
            "key": data["key"] or slugify(data["name"])[:64].strip("-_") or "rule",
            "name": data["name"],
            "placement": data["placement"] or None,
            "action": {"type": kind, **action},
            "when": data["filters"]["when"],
            "order": data["order"],
            "enabled": data["enabled"],
            "starts_at": self._moment("starts_at"),
            "ends_at": self._moment("ends_at"),
        }

    def refuse(self, error: DomainError) -> None:
        """Show what the domain objects to, beside the field it is about, or above all."""
        for each in error.errors:
            parts = each["pointer"].strip("/").split("/")
            parts = parts[1:] if parts[0] == "action" and len(parts) > 1 else parts
            if parts[0] in self.rows:
                self.refuse_filter(parts[0], parts[1:], each)
            else:
                self.add_error(parts[0] if parts[0] in self.fields else None, each["message"])
        if not error.errors:
            self.add_error(None, str(error))

    def _moment(self, name: str) -> str | None:
        moment: datetime | None = self.cleaned_data[name]
        return None if moment is None else moment.replace(tzinfo=self.zone).isoformat()


def initial(row: Rule, zone: ZoneInfo) -> dict[str, Any]:
    """What the form of a stored rule begins with."""
    plain = {name: getattr(row, name) for name in ("key", "name", "order", "enabled")}
    moments = {
        name: moment and moment.astimezone(zone).replace(tzinfo=None)
        for name, moment in (("starts_at", row.starts_at), ("ends_at", row.ends_at))
    }
    own = {name: value for name, value in row.action.items() if name not in {"type", "filter"}}
    filters = {
        "filter": filter_rows.of_filter(row.action.get("filter")),
        "when": filter_rows.of_filter(row.when),
    }
    return {**plain, **moments, **own, **filters, "placement": row.placement or "", "action": row.action["type"]}
