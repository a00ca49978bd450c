"""Imports and sources as the API takes and shows them."""

from typing import Any

import msgspec
from rest_framework import serializers

from catalog import addresses
from catalog.feeds.types import Format, Mapping
from catalog.importing.types import MAX_SHARE, NewImport, Preview, PreviewRow
from catalog.models import Import, Mode, Source
from imports import api as common
from imports.api import ErrorSchema, ProgressSchema, RejectedRowSchema
from imports.kinds import KEPT
from recomengine.lib.api import PageSchema
from recomengine.lib.fields import ShortText, Text

MODES = Mode.choices
FORMATS = [str(each) for each in Format]


class NewImportIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a request for an import or a preview; with an upload its fields stand beside the file."""

    url: str = ""
    source: str | None = None
    format: Format | None = None
    mode: str | None = None
    mapping: Mapping | None = None
    max_deleted_share: float = MAX_SHARE

    def to_domain(self, filename: str = "", content_type: str = "") -> NewImport:
        return NewImport(**msgspec.structs.asdict(self), filename=filename, content_type=content_type)


class SourceIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    key: ShortText
    name: ShortText
    format: Format
    mode: str = Mode.DELTA.value
    mapping: Mapping = {}
    url: Text = ""
    every_minutes: int | None = None


class SourceChangesIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: ShortText | msgspec.UnsetType = msgspec.UNSET
    format: Format | msgspec.UnsetType = msgspec.UNSET
    mode: str | msgspec.UnsetType = msgspec.UNSET
    mapping: Mapping | msgspec.UnsetType = msgspec.UNSET
    url: Text | msgspec.UnsetType = msgspec.UNSET
    every_minutes: int | msgspec.UnsetType | None = msgspec.UNSET


class ResumeIn(msgspec.Struct, forbid_unknown_fields=True):
    allow_deletions: bool = False


class RunIn(msgspec.Struct, forbid_unknown_fields=True):
    force: bool = False


class NewImportSchema(serializers.Serializer[Any]):
    url = serializers.CharField(required=False, help_text="Where the feed is fetched: http or https, a public server.")
    source = serializers.CharField(required=False, help_text="The key of a source.")  # type: ignore[assignment]
    format = serializers.ChoiceField(choices=FORMATS, required=False, help_text="Found out from the file if left out.")
    mode = serializers.ChoiceField(
        choices=MODES, required=False, help_text="`replace` deletes the items that the feed does not hold."
    )
    mapping = serializers.DictField(
        required=False,
        help_text='By column: {"field": "title"}, {"field": "attributes.size", "kind": "number"}, or {"field": ""}.',
    )
    max_deleted_share = serializers.FloatField(required=False, min_value=0, max_value=1, default=MAX_SHARE)


class UploadSchema(NewImportSchema):
    file = serializers.FileField()
    mapping = serializers.CharField(required=False, help_text="The mapping as JSON.")  # type: ignore[assignment]


class ImportSchema(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Import.Status.choices)
    format = serializers.ChoiceField(choices=FORMATS, allow_null=True)
    mode = serializers.ChoiceField(choices=MODES)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    filename = serializers.CharField()
    url = serializers.CharField(help_text="Without its query.")
    mapping = serializers.DictField()
    max_deleted_share = serializers.FloatField()
    progress = ProgressSchema()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    rejected_kept = serializers.IntegerField(help_text=f"How many of them can be read: at most {KEPT:,}.")
    deleted = serializers.IntegerField()
    error = ErrorSchema(allow_null=True, help_text="Why it failed.")
    note = ErrorSchema(allow_null=True, help_text="What is to be known of one that completed.")
    cancel_requested = serializers.BooleanField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class ImportDetailSchema(ImportSchema):
    rejected_sample = RejectedRowSchema(many=True)


class ImportPageSchema(PageSchema):
    results = ImportSchema(many=True)


class ResumeSchema(serializers.Serializer[Any]):
    allow_deletions = serializers.BooleanField(
        required=False, help_text="Delete what the feed does not hold, however much that is."
    )


class PreviewRowSchema(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    item = serializers.DictField(allow_null=True)
    error = RejectedRowSchema(allow_null=True)


class PreviewSchema(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=FORMATS)
    columns = serializers.DictField(help_text="By column: up to three of its values.")
    mapping = serializers.DictField()
    rows = PreviewRowSchema(many=True)
    broken = serializers.DictField(allow_null=True, help_text="Why the file cannot be read any further.")


class SourceSchema(serializers.ModelSerializer[Source]):
    class Meta:
        model = Source
        fields = [
            "key", "name", "format", "mode", "mapping", "url", "every_minutes", "next_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["next_at", "created_at", "updated_at"]


class SourcePageSchema(PageSchema):
    results = SourceSchema(many=True)


class RunSchema(serializers.Serializer[Any]):
    force = serializers.BooleanField(required=False, help_text="Read the feed even if it has not changed.")


def shown(row: Import) -> dict[str, Any]:
    """An import as the API shows it."""
    plain = ("mode", "mapping", "max_deleted_share", "created", "updated", "unchanged", "deleted")
    return (
        common.shown(row)
        | {name: getattr(row, name) for name in plain}
        | {
            "format": row.format or None,
            "source": row.source.key if row.source else None,
            "url": addresses.redacted(row.url),
        }
    )


def source_shown(source: Source, whole: bool) -> dict[str, Any]:
    """A source as the API shows it; the query of its URL, which may hold a token, only to who may change it."""
    url = source.url if whole else addresses.redacted(source.url)
    return {**SourceSchema(source).data, "url": url}


def preview_shown(preview: Preview) -> dict[str, Any]:
    """A preview as the API shows it."""
    return {
        "format": preview.format,
        "columns": preview.columns,
        "mapping": msgspec.to_builtins(preview.mapping),
        "rows": [_row_shown(row) for row in preview.rows],
        "broken": preview.broken,
    }


def _row_shown(row: PreviewRow) -> dict[str, Any]:
    error = RejectedRowSchema(row.error).data if row.error else None
    return {"line": row.line, "item": msgspec.to_builtins(row.item), "error": error}
