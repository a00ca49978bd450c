"""The endpoints of imports."""

from typing import Any, BinaryIO, Final, cast

import msgspec
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import importing
from catalog.api import import_schemas as schemas
from catalog.api.import_schemas import NewImportIn, ResumeIn, preview_shown, shown
from catalog.importing.kind import CATALOGUE
from catalog.importing.types import NewImport
from imports import reporting
from imports.api import RejectedRowPageSchema, errors_page, form_of, sample
from recomengine.lib.api import CursorPages
from recomengine.lib.decoding import field_error, parse_json
from recomengine.lib.errors import DomainError
from recomengine.lib.streaming import AsAsked
from tenants import tenancy
from tenants.authentication import actor_of, caller_of

_BODIES: Final = {"application/json": schemas.NewImportSchema, "multipart/form-data": schemas.UploadSchema}


class ImportsView(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(responses=schemas.ImportPageSchema, operation_id="imports_list")
    def get(self, request: Request) -> Response:
        """List the imports, newest first."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(importing.listed(), request, view=self)
        return pages.get_paginated_response(list(map(shown, page or [])))

    @extend_schema(request=_BODIES, responses={202: schemas.ImportSchema})
    def post(self, request: Request) -> Response:
        """Import a feed in the background: an upload (multipart, with the field `file`) or a URL (JSON).

        `GET` of its id tells how far it is. A tenant's imports run one after the other.
        """
        new, file = _sent(request)
        chunks = file.chunks() if file is not None else None
        row = importing.start(caller_of(request).tenant, new, chunks, by=actor_of(request))
        return Response(shown(row), status=202)


class PreviewView(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(request=_BODIES, responses=schemas.PreviewSchema, operation_id="imports_preview")
    def post(self, request: Request) -> Response:
        """Show what an import would make of the first 20 rows; nothing is stored. The first MB of a file is enough."""
        new, file = _sent(request)
        found = importing.preview(
            caller_of(request).tenant, new, cast(BinaryIO, file.file) if file is not None else None
        )
        return Response(preview_shown(found))


class ImportView(APIView):
    @extend_schema(responses=schemas.ImportDetailSchema, operation_id="imports_retrieve")
    def get(self, request: Request, import_id: int) -> Response:
        """Read one import: how far it is, what became of the rows, and the first of those that were not taken."""
        tenant = caller_of(request).tenant
        with tenancy.use(tenant):
            row = importing.get(tenant, import_id)
            return Response({**shown(row), "rejected_sample": sample(CATALOGUE, tenant, import_id)})


class CancelView(APIView):
    @extend_schema(request=None, responses=schemas.ImportSchema)
    def post(self, request: Request, import_id: int) -> Response:
        """Stop an import; what it has imported stays."""
        return _answer(request, importing.cancel(caller_of(request).tenant, import_id, by=actor_of(request)))


class ResumeView(APIView):
    @extend_schema(request=schemas.ResumeSchema, responses={202: schemas.ImportSchema})
    def post(self, request: Request, import_id: int) -> Response:
        """Go on with an import that failed or was cancelled; for a week after its end."""
        sent = parse_json(request.body or b"{}", ResumeIn)
        row = importing.resume(
            caller_of(request).tenant, import_id, allow_deletions=sent.allow_deletions, by=actor_of(request)
        )
        return _answer(request, row, status=202)


class ErrorsView(APIView):
    @extend_schema(responses=RejectedRowPageSchema, operation_id="imports_errors")
    def get(self, request: Request, import_id: int) -> Response:
        """List the rows that were not taken, in the feed's order: where, what and why."""
        return errors_page(CATALOGUE, request, self, import_id)


class ErrorsFileView(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, operation_id="imports_errors_csv")
    def get(self, request: Request, import_id: int) -> HttpResponseBase:
        """The rows that were not taken as a CSV file."""
        return reporting.errors_file(CATALOGUE, request._request, caller_of(request).tenant, import_id)


def _answer(request: Request, row: Any, status: int = 200) -> Response:
    with tenancy.use(caller_of(request).tenant):
        return Response(shown(row), status=status)


def _sent(request: Request) -> tuple[NewImport, UploadedFile | None]:
    """What is asked for, by JSON or by a form with a file."""
    if not (request.content_type or "").lower().startswith("multipart/form-data"):
        return parse_json(request.body, NewImportIn).to_domain(), None
    fields, file = form_of(request)
    sent = _of_form(fields)
    return sent.to_domain(file.name or "" if file else "", file.content_type or "" if file else ""), file


def _of_form(said: dict[str, Any]) -> NewImportIn:
    if "mapping" in said:
        said["mapping"] = parse_json(said["mapping"].encode(), Any, "/mapping")
    try:
        return msgspec.convert(said, NewImportIn, strict=False)
    except msgspec.ValidationError as error:
        raise DomainError("invalid", errors=[field_error(error)]) from error
