"""What the forms of the shop's pages have in common: their looks, and how a refusal gets beside its field."""

import re
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from recomengine.lib.errors import DomainError
from tenants.models import event_type_validator, origin_validator, timezones, validate_event_types

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)
_LOOKS: Final = (
    (forms.Textarea, "textarea w-full"),
    (forms.RadioSelect, "radio radio-sm"),
    (forms.Select, "select w-full"),
)


class ShopForm(forms.Form):
    """A form in the dashboard's looks; texts are stripped, and NUL characters refused, by its fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            look = next((look for kind, look in _LOOKS if isinstance(field.widget, kind)), "input w-full")
            field.widget.attrs.setdefault("class", look)

    def refuse(self, error: DomainError) -> None:
        """Show what the domain objects to, beside the field it is about, or above all."""
        for each in error.errors:
            field = each["pointer"].strip("/").split("/")[0]
            self.add_error(field if field in self.fields else None, each["message"])
        if not error.errors:
            self.add_error(None, str(error))


class OriginsField(forms.CharField):
    """Origins, one a line; a slash at the end and capitals in the host are forgiven."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "https://shop.example"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        words = re.split(r"[\s,]+", super().clean(value).strip())
        origins = list(dict.fromkeys(word.lower().rstrip("/") for word in words if word))
        for origin in origins:
            try:
                origin_validator(origin)
            except ValidationError as error:
                raise ValidationError(f"“{origin[:80]}” is no origin. {error.message}", code="invalid") from error
        if len(origins) > 50:
            raise ValidationError("At most 50 origins.", code="invalid")
        return origins


class TypesField(forms.CharField):
    """Types of events, one a line; the model says what such a name looks like."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "wishlist"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        types = [word for word in re.split(r"[\s,]+", super().clean(value).strip()) if word]
        for name in types:
            try:
                event_type_validator(name)
            except ValidationError as error:
                raise ValidationError(f"“{name[:40]}” is no type. {error.message}", code="invalid") from error
        if len(types) > 50:
            raise ValidationError("At most 50 types.", code="invalid")
        validate_event_types(types)
        return types


class DayField(forms.DateField):
    """A day that calendars of all time zones can count on from."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and not FIRST_DAY <= day < LAST_DAY:
            raise ValidationError(f"Choose a day from {FIRST_DAY.year} to {LAST_DAY.year - 1}.", code="invalid")
        return day


def zones() -> list[tuple[str, str]]:
    """The time zones to choose from."""
    return [(name, name.replace("_", " ")) for name in sorted(timezones())]


def begins(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The first moment of a day in a time zone."""
    return None if day is None else datetime.combine(day, time(), zone)


def ends(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The first moment after a day in a time zone."""
    return None if day is None else begins(day + timedelta(days=1), zone)
