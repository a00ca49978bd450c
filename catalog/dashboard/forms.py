"""The forms of imports and sources: what to read, and where each column goes."""

import re
from collections.abc import Iterable
from collections.abc import Mapping as Values
from itertools import islice
from typing import Any, Final, NamedTuple, get_args

import msgspec
from django import forms
from django.http import QueryDict
from django.utils.text import slugify

from catalog.feeds import mapping as mappings
from catalog.feeds.types import Format, Kind, Mapping, Target
from catalog.importing import Preview
from recomengine.lib.errors import DomainError
from tenants.shop_pages.forms import ShopForm

MAX_COLUMNS: Final = 400  # with two fields each well below what Django takes of a form
MAX_HOURS: Final = 24 * 31
FORMATS: Final[Values[str, str]] = {
    Format.CSV: "CSV",
    Format.JSONL: "JSON Lines",
    Format.MERCHANT_XML: "Google Merchant XML",
    Format.MERCHANT_TSV: "Google Merchant text",
    Format.SHOPIFY: "Shopify products.json",
}
ENDINGS: Final = ".csv,.tsv,.txt,.jsonl,.ndjson,.json,.xml,.rss,.gz"
KINDS: Final[Values[str, str]] = {
    "text": "Attribute: text",
    "number": "Attribute: number",
    "boolean": "Attribute: yes or no",
    "list": "Attribute: list",
}
_NAMES: Final[Values[str, str]] = {
    "item_id": "Id", "url": "Page (URL)", "image_url": "Picture (URL)", "sale_starts_at": "Sale begins",
    "sale_ends_at": "Sale ends", "group_id": "Group of variants", "published_at": "Published", "expires_at": "Expires",
    mappings.PERIOD: "Sale period", "attributes": "Attributes, several in one",
}  # fmt: skip
FIELDS: Final = [(f"{name}:text", _NAMES.get(name, name.replace("_", " ").capitalize())) for name in mappings.FIELDS]
LEFT_OUT: Final = ":text"


class NewImportForm(ShopForm):
    """Step 1: a file or a URL, and whether it will come again."""

    file = forms.FileField(
        required=False,
        max_length=300,
        help_text="CSV, JSON Lines, Google Merchant XML or TSV, or Shopify's products.json; gzipped or not.",
        widget=forms.FileInput(attrs={"class": "drop-file", "accept": ENDINGS}),
    )
    url = forms.CharField(
        required=False,
        max_length=2000,
        label="An address to fetch",
        help_text="Of a public server. Redirects are followed.",
        widget=forms.TextInput(
            attrs={"inputmode": "url", "spellcheck": "false", "placeholder": "https://shop.example/feed.xml"}
        ),
    )
    name = forms.CharField(
        required=False,
        max_length=120,
        label="Remember it as",
        widget=forms.TextInput(attrs={"placeholder": "Shop feed"}),
    )
    every_hours = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_HOURS, label="Fetch it every … hours",
        help_text="Only what lies at an address.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if bool(data.get("file")) == bool(data.get("url")) and not self.errors:
            self.add_error(None, "Choose a file, or name an address: one of the two.")
        if data.get("every_hours") and not data.get("name"):
            self.add_error("name", "What is fetched again needs a name.")
        if data.get("every_hours") and data.get("file"):
            self.add_error("every_hours", "A file cannot be fetched again; name an address.")
        if data.get("name") and not key_of(data["name"]):
            self.add_error("name", "Use some letters or digits.")
        return data

    def refuse_feed(self, error: DomainError) -> None:
        """Show beside its field why the feed was not taken."""
        fields = {"address_not_allowed": "url", "fetch_failed": "url", "conflict": "name", "payload_too_large": "file"}
        self.add_error(fields.get(error.code), sentence(error))


class SourceForm(ShopForm):
    """What is remembered of a feed, but for its columns."""

    name = forms.CharField(max_length=120)
    url = forms.CharField(
        required=False, max_length=2000, label="Address", widget=forms.TextInput(attrs={"spellcheck": "false"})
    )
    every_hours = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_HOURS, label="Fetch it every … hours",
        help_text="Without, it is fetched when somebody says so.",
    )  # fmt: skip
    mode = forms.ChoiceField(
        label="Products that are not in it", choices=[("delta", "stay as they are"), ("replace", "are deleted")]
    )


class Column(NamedTuple):
    """A column of a feed: some of its values, where it goes, and the attributes that it might become.

    `sent` is the name as JSON: browsers would alter a line break.
    """

    name: str
    sent: str
    samples: list[str]
    chosen: str
    attribute_name: str
    attributes: list[tuple[str, str]]


def columns(preview: Preview) -> list[Column]:
    """The columns of a preview, in the feed's order."""
    return columns_of(preview.mapping, preview.columns)


def columns_of(mapping: Mapping, samples: Values[str, list[str]]) -> list[Column]:
    """The first columns of a mapping, with some of their values if they are known; the others stay as proposed."""
    first = islice(mapping.items(), MAX_COLUMNS)
    return [_column(name, target, samples.get(name, [])) for name, target in first]


def format_of(data: QueryDict) -> Format:
    """The format that a form sends; raises `invalid` for one that there is not."""
    try:
        return Format(data.get("format", ""))
    except ValueError as error:
        raise DomainError("invalid", "Choose one of the formats.") from error


def mapping_of(data: QueryDict) -> Mapping:
    """The mapping that a form sends; raises `invalid` for one that cannot be."""
    sent = {number: data[f"name-{number}"] for number in range(MAX_COLUMNS) if f"name-{number}" in data}
    try:
        names = {number: msgspec.json.decode(str(name), type=str) for number, name in sent.items()}
        mapping = {name: _target(data.get(f"column-{number}", "")) for number, name in names.items()}
        mappings.check(mapping)
    except (msgspec.DecodeError, ValueError) as error:
        raise DomainError("invalid", str(error)) from error
    return mapping


def sentence(error: DomainError) -> str:
    """What an error says, with what it says of single fields."""
    return " ".join([each["message"] for each in error.errors]) or str(error)


def key_of(name: str) -> str:
    """The key under which a source of that name is kept: "Shop feed (DE)" → `shop-feed-de`."""
    return re.sub(r"^[-_]+|[-_]+$", "", slugify(name))[:64]


def _column(name: str, target: Target, samples: list[str]) -> Column:
    is_attribute = target.field.startswith(mappings.ATTRIBUTE)
    field = target.field if is_attribute else mappings.as_attribute(name)
    attributes = [(f"{field}:{kind}", text) for kind, text in KINDS.items()]
    chosen = f"{target.field}:{target.kind if is_attribute else 'text'}"
    sent = msgspec.json.encode(name).decode()
    return Column(name, sent, samples, chosen, field.removeprefix(mappings.ATTRIBUTE), attributes)


def _target(value: str) -> Target:
    field, _, kind = value.rpartition(":")
    known: Iterable[str] = get_args(Kind)
    return Target(field, kind if kind in known else "text")  # type: ignore[arg-type]
