"""What the endpoints of all kinds of imports take and show alike."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from imports import requesting
from imports.kinds import KEPT, Kind
from imports.models import Import
from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.authentication import caller_of
from tenants.types import TenantRef

SAMPLE = 10
_PLAIN = (
    "id", "status", "filename", "rejected", "cancel_requested", "requested_by", "requested_at", "started_at",
    "finished_at",
)  # fmt: skip


class ErrorSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class RejectedRowSchema(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    item_id = serializers.CharField()
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    value = serializers.CharField()


class RejectedRowPageSchema(PageSchema):
    results = RejectedRowSchema(many=True)


class ProgressSchema(serializers.Serializer[Any]):
    bytes_read = serializers.IntegerField()
    bytes_total = serializers.IntegerField(help_text="0 as long as it is not known.")
    rows = serializers.IntegerField(help_text="Rows dealt with; the sum of the counts of what became of them.")
    share = serializers.FloatField(allow_null=True, help_text="Of the file, 0 to 1.")


def shown(row: Import) -> dict[str, Any]:
    """What every kind of import shows of itself."""
    error = {"code": row.error_code, "message": row.error} if row.error_code else None
    completed = row.status == Import.Status.COMPLETED
    return {name: getattr(row, name) for name in _PLAIN} | {
        "progress": {
            "bytes_read": row.bytes_read,
            "bytes_total": row.bytes_total,
            "rows": row.rows,
            "share": row.share,
        },
        "rejected_kept": min(row.rejected, KEPT),
        "error": None if completed else error,
        "note": error if completed else None,
    }


def sample(kind: Kind[Any], tenant: TenantRef, import_id: int) -> Any:
    """The first rows that were not taken; with the tenant in use."""
    return RejectedRowSchema(requesting.rejected(kind, tenant, import_id)[:SAMPLE], many=True).data


def errors_page(kind: Kind[Any], request: Request, view: APIView, import_id: int) -> Response:
    """A page of the rows that were not taken, in the file's order."""
    tenant, pages = caller_of(request).tenant, CursorPages(ascending=True)
    with tenancy.use(tenant):
        page = pages.paginate_queryset(requesting.rejected(kind, tenant, import_id), request, view=view)
    return pages.get_paginated_response(RejectedRowSchema(page or [], many=True).data)


def form_of(request: Request) -> tuple[dict[str, Any], UploadedFile | None]:
    """The fields of a form with a file, in which everything is text; what is empty is not said. Raises `invalid`."""
    try:
        fields, files = request.data, request.FILES
    except ParseError as error:
        raise DomainError("invalid", f"The form cannot be read: {error}") from error
    if set(files) - {"file"}:
        raise DomainError("invalid", "Send one file, in the field `file`.")
    return {name: fields[name] for name in fields if name != "file" and fields[name]}, files.get("file")
