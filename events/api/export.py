"""The stored events as a file."""

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from events import exporting, listing
from events.api.events import FILTERS
from events.exporting import Format
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds.pieces import gzipped
from recomengine.lib.streaming import AsAsked, download
from tenants.authentication import caller_of

_FILES = {(200, each.partition(";")[0]): OpenApiTypes.BINARY for each in exporting.TYPES.values()}


class ExportView(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(
        parameters=[
            OpenApiParameter("format", str, enum=[str(each) for each in Format], required=True),
            OpenApiParameter("gzip", str, enum=["1"], description="Packed; Parquet is so by itself."),
            *FILTERS,
        ],
        responses=_FILES,
        operation_id="events_export",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The stored events as a file, oldest first, a row an item line; CSV and JSON Lines can be imported again."""
        tenant, params = caller_of(request).tenant, request.query_params.dict()
        format = _format(params.get("format", ""))
        wanted = listing.parse(params, also=("format", "gzip"))
        parts, name, content_type = exporting.export(tenant, wanted, format), exporting.filename(tenant, format), ""
        if params.get("gzip") == "1":
            parts, name, content_type = gzipped(parts), f"{name}.gz", "application/gzip"
        return download(request._request, parts, name, content_type or exporting.TYPES[format])


def _format(text: str) -> Format:
    try:
        return Format(text)
    except ValueError as error:
        raise DomainError("invalid", f"`format` is one of {', '.join(Format)}.") from error
