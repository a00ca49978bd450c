"""The catalogue as a file."""

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from catalog import exporting
from catalog.feeds.types import Format
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds import pieces
from recomengine.lib.streaming import AsAsked, download
from tenants.authentication import caller_of

_FILES = {(200, content_type.partition(";")[0]): OpenApiTypes.BINARY for _, content_type in exporting.TYPES.values()}


class ExportView(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(
        parameters=[
            OpenApiParameter("format", str, enum=[str(each) for each in Format], required=True),
            OpenApiParameter("gzip", str, enum=["1"], description="Packed."),
        ],
        responses=_FILES,
        operation_id="export",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The whole catalogue as a file; importing it gives the same items."""
        tenant = caller_of(request).tenant
        format = _format(request.query_params.get("format", ""))
        parts, name = exporting.export(tenant, format), exporting.filename(tenant, format)
        content_type = exporting.TYPES[format][1]
        if request.query_params.get("gzip") == "1":
            parts, name, content_type = pieces.gzipped(parts), f"{name}.gz", "application/gzip"
        return download(request._request, parts, name, content_type)


def _format(text: str) -> Format:
    try:
        return Format(text)
    except ValueError as error:
        raise DomainError("invalid", f"`format` is one of {', '.join(Format)}.") from error
