"""The endpoints of imports of events."""

from typing import Any, Final

import msgspec
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import importing
from events.importing.kind import EVENTS
from events.importing.types import Format, NewImport
from events.models import Import
from imports import api as common
from imports import reporting
from imports.api import RejectedRowPageSchema, RejectedRowSchema
from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.decoding import field_error, parse_json
from recomengine.lib.errors import DomainError
from recomengine.lib.streaming import AsAsked
from tenants import tenancy
from tenants.authentication import actor_of, caller_of

FORMATS: Final = [str(each) for each in Format]
_OWN: Final = ("format", "type", "timezone", "date_format", "mapping", "events", "stored", "duplicates")


class NewEventImportIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The fields that stand beside the file."""

    format: Format | None = None
    type: str = ""
    timezone: str = "UTC"
    date_format: str = ""
    mapping: dict[str, str] = {}

    def to_domain(self, filename: str) -> NewImport:
        return NewImport(**msgspec.structs.asdict(self), filename=filename)


class EventUploadSchema(serializers.Serializer[Any]):
    file = serializers.FileField()
    format = serializers.ChoiceField(choices=FORMATS, required=False, help_text="Found out from the file if left out.")
    type = serializers.CharField(required=False, help_text="Of rows that have none, e.g. `purchase`.")
    timezone = serializers.CharField(required=False, default="UTC", help_text="Of instants without an offset.")
    date_format = serializers.CharField(
        required=False, help_text="As of `strptime`, e.g. `%m/%d/%Y %H:%M`; ISO 8601 and Unix times need none."
    )
    mapping = serializers.CharField(
        required=False,
        help_text='JSON: the fields of columns that go elsewhere than their name says: {"who": "user_id"}',
    )


class EventImportSchema(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Import.Status.choices)
    format = serializers.ChoiceField(choices=FORMATS)
    type = serializers.CharField()
    timezone = serializers.CharField()
    date_format = serializers.CharField()
    mapping = serializers.DictField()
    filename = serializers.CharField()
    progress = common.ProgressSchema()
    events = serializers.IntegerField(help_text="Events that were stored; the lines of an order are one.")
    stored = serializers.IntegerField(help_text="Rows that became part of them.")
    duplicates = serializers.IntegerField(help_text="Rows of events that were stored before.")
    rejected = serializers.IntegerField()
    rejected_kept = serializers.IntegerField(help_text="How many of them can be read.")
    error = common.ErrorSchema(allow_null=True, help_text="Why it failed.")
    note = common.ErrorSchema(allow_null=True, help_text="What is to be known of one that completed.")
    cancel_requested = serializers.BooleanField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class EventImportDetailSchema(EventImportSchema):
    rejected_sample = RejectedRowSchema(many=True)


class EventImportPageSchema(PageSchema):
    results = EventImportSchema(many=True)


def shown(row: Import) -> dict[str, Any]:
    """An import as the API shows it."""
    return common.shown(row) | {name: getattr(row, name) for name in _OWN}


class ImportsView(APIView):
    parser_classes = [MultiPartParser]

    @extend_schema(responses=EventImportPageSchema, operation_id="event_imports_list")
    def get(self, request: Request) -> Response:
        """List the imports of events, newest first."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(importing.listed(), request, view=self)
        return pages.get_paginated_response(list(map(shown, page or [])))

    @extend_schema(
        request={"multipart/form-data": EventUploadSchema},
        responses={202: EventImportSchema},
        operation_id="event_imports_create",
    )
    def post(self, request: Request) -> Response:
        """Import events of the past in the background: CSV or JSON Lines, gzipped or not, in the field `file`.

        `GET` of its id tells how far it is. A tenant's imports run one after the other.
        """
        fields, file = common.form_of(request)
        if file is None:
            raise DomainError("invalid", "Send a form (multipart/form-data) with the events in its field `file`.")
        new = _asked(fields).to_domain(file.name or "")
        row = importing.start(caller_of(request).tenant, new, file.chunks(), by=actor_of(request))
        return Response(shown(row), status=202)


def _asked(fields: dict[str, Any]) -> NewEventImportIn:
    if "mapping" in fields:
        fields["mapping"] = parse_json(fields["mapping"].encode(), Any, "/mapping")
    try:
        return msgspec.convert(fields, NewEventImportIn)
    except msgspec.ValidationError as error:
        raise DomainError("invalid", errors=[field_error(error)]) from error


class ImportView(APIView):
    @extend_schema(responses=EventImportDetailSchema, operation_id="event_imports_retrieve")
    def get(self, request: Request, import_id: int) -> Response:
        """Read one import: how far it is, what became of the rows, and the first of those that were not taken."""
        tenant = caller_of(request).tenant
        with tenancy.use(tenant):
            row = importing.get(tenant, import_id)
            sample = common.sample(EVENTS, tenant, import_id)
        return Response({**shown(row), "rejected_sample": sample})


class CancelView(APIView):
    @extend_schema(request=None, responses=EventImportSchema, operation_id="event_imports_cancel")
    def post(self, request: Request, import_id: int) -> Response:
        """Stop an import; what it has stored stays."""
        return Response(shown(importing.cancel(caller_of(request).tenant, import_id, by=actor_of(request))))


class ResumeView(APIView):
    @extend_schema(request=None, responses={202: EventImportSchema}, operation_id="event_imports_resume")
    def post(self, request: Request, import_id: int) -> Response:
        """Go on with an import that failed or was cancelled; for a week after its end."""
        row = importing.resume(caller_of(request).tenant, import_id, by=actor_of(request))
        return Response(shown(row), status=202)


class ErrorsView(APIView):
    @extend_schema(responses=RejectedRowPageSchema, operation_id="event_imports_errors")
    def get(self, request: Request, import_id: int) -> Response:
        """List the rows that were not taken, in the file's order: where, what and why."""
        return common.errors_page(EVENTS, request, self, import_id)


class ErrorsFileView(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, operation_id="event_imports_errors_csv")
    def get(self, request: Request, import_id: int) -> HttpResponseBase:
        """The rows that were not taken as a CSV file."""
        return reporting.errors_file(EVENTS, request._request, caller_of(request).tenant, import_id)
