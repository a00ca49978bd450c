"""What the API tells about a visitor or user, and erases.

Ids hold any printable characters, also slashes, so an address takes the rest of its path for one. An id that ends in
`/export` is erased by the address of another's export, which can only be read otherwise.
"""

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import erasing, personal_data
from events.models import Erasure
from recomengine.lib.streaming import AsAsked, download
from tenants import actors
from tenants.authentication import caller_of


class ErasureSchema(serializers.Serializer[Any]):
    """How far an erasure is; nothing tells any more whose it was once it is completed."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["pending", "completed"], help_text="Pending: the archive is to be done.")
    events = serializers.IntegerField(help_text="Erased in the database.")
    archived_events = serializers.IntegerField(help_text="Erased in the archive so far.")
    requested_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)


def shown(row: Erasure) -> dict[str, Any]:
    names = ("id", "events", "archived_events", "requested_at", "completed_at")
    return {"status": status_of(row)} | {name: getattr(row, name) for name in names}


def status_of(row: Erasure) -> str:
    return "pending" if row.completed_at is None else "completed"


class VisitorView(APIView):
    @extend_schema(responses={202: ErasureSchema}, operation_id="visitors_erase")
    def delete(self, request: Request, visitor_id: str) -> Response:
        """Erase everything stored about a visitor or user, and about browsers that are that user's alone.

        The events in the database are gone with the answer, those in the archive soon after: follow the erasure.
        """
        caller = caller_of(request)
        row = erasing.erase(caller.tenant, visitor_id, by=actors.of_caller(request._request, caller))
        return Response(shown(row), status=202)


class VisitorExportView(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT}, operation_id="visitors_export")
    def get(self, request: Request, visitor_id: str) -> HttpResponseBase:
        """Everything stored about a visitor or user as one JSON object: joined ids, recent history, events."""
        caller = caller_of(request)
        parts = personal_data.export(caller.tenant, visitor_id, by=actors.of_caller(request._request, caller))
        return download(request._request, parts, personal_data.filename(caller.tenant), "application/json")

    @extend_schema(exclude=True)
    def delete(self, request: Request, visitor_id: str) -> Response:
        """Erase the id that ends in `/export`."""
        return VisitorView().delete(request, f"{visitor_id}/export")


class ErasureView(APIView):
    @extend_schema(responses=ErasureSchema, operation_id="erasures_retrieve")
    def get(self, request: Request, erasure_id: int) -> Response:
        """How far an erasure is."""
        return Response(shown(erasing.get(caller_of(request).tenant, erasure_id)))
