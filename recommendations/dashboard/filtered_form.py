"""A form that asks for filters beside its fields, each as rows of conditions or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from recomengine.lib.errors import FieldError
from recommendations.dashboard import filter_rows
from recommendations.dashboard.filter_rows import MORE_ROWS, OPS, SUGGESTED, Row, Rows
from tenants.shop_pages.forms import ShopForm


class FilterTitle(NamedTuple):
    """A filter that a form asks for: its name in what is sent, and what people read above it."""

    name: str
    title: str
    lead: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter as the page asks for it."""

    name: str
    title: str
    lead: str
    rows: Rows
    errors: Sequence[str]
    extra: int

    @property
    def lines(self) -> list[Row]:
        """The conditions, and empty ones to fill in."""
        return [*self.rows.padded, *[Row()] * self.extra]

    @property
    def ops(self) -> list[tuple[str, str]]:
        return list(OPS.items())

    @property
    def fields(self) -> Sequence[str]:
        return SUGGESTED


class FilteredForm(ShopForm):
    """`initial` holds `Rows` for the filters; after cleaning `cleaned_data["filters"]` holds each as JSON or None."""

    FILTERS: ClassVar[Sequence[FilterTitle]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_filters: list[tuple[str, str]] = []
        known = self.rows_sent(self.data) if self.is_bound else self.initial
        self.rows: dict[str, Rows] = {name: known.get(name, Rows()) for name, _, _ in self.FILTERS}

    @classmethod
    def rows_sent(cls, data: Any) -> dict[str, Rows]:
        """What was sent of the filters, as `initial` takes it."""
        return {name: filter_rows.sent(data, name) for name, _, _ in cls.FILTERS}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["filters"] = {name: self._filter(name) for name in self.rows}
        return data

    def asked(self, more: str = "") -> list[Asked]:
        """The filters as the page asks for them; `more` names one that gets more rows."""
        return [
            Asked(name, title, lead, self.rows[name], self.filter_errors(name), extra=MORE_ROWS * (more == name))
            for name, title, lead in self.FILTERS
        ]

    def filter_errors(self, name: str) -> list[str]:
        """What is wrong with the filter of that name."""
        return [text for where, text in self._of_filters if where == name]

    def refuse_filter(self, name: str, place: Sequence[str], error: FieldError) -> None:
        """Show what is wrong at a place in a filter, beside it."""
        number = next((int(part) + 1 for part in place if part.isdigit()), None)
        at = f"Condition {number}: " if number is not None and not self.rows[name].text.strip() else ""
        self._of_filters.append((name, f"{at}{error['message']}"))
        self.add_error(None, "The conditions are not understood; see there.")

    def _filter(self, name: str) -> Any:
        try:
            return self.rows[name].as_json
        except (ValueError, RecursionError) as error:
            wrong: FieldError = {"pointer": "", "code": "malformed_json", "message": f"That is no JSON: {error}."}
            self.refuse_filter(name, (), wrong)
            return None
