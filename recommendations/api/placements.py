"""The endpoints of placements: what each slot of a page shows, and what it showed before."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError
from recommendations import placement_editing
from recommendations.models import Placement
from tenants import tenancy
from tenants.authentication import actor_of, caller_of


class PlacementSchema(serializers.ModelSerializer[Placement]):
    class Meta:
        model = Placement
        fields = [
            "key", "name", "cascade", "limit", "one_per_group", "filter", "diversity", "rotation", "margin", "newness",
            "exploration", "version", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["version", "created_at", "updated_at"]


class PlacementPageSchema(PageSchema):
    results = PlacementSchema(many=True)


class SettingsSchema(PlacementSchema):
    class Meta(PlacementSchema.Meta):
        fields = list(placement_editing.SETTINGS)


class VersionSchema(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="number")
    changed_at = serializers.DateTimeField(source="at")
    settings = SettingsSchema(help_text="What the placement was; `PATCH` takes it to go back.")


class VersionPageSchema(PageSchema):
    results = VersionSchema(many=True)


class PlacementsView(APIView):
    @extend_schema(responses=PlacementPageSchema, operation_id="placements_list")
    def get(self, request: Request) -> Response:
        """List the placements."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(Placement.objects.all(), request, view=self)
        return pages.get_paginated_response(PlacementSchema(page, many=True).data)

    @extend_schema(request=PlacementSchema, responses={201: PlacementSchema})
    def post(self, request: Request) -> Response:
        """Add a placement; it is served within a second."""
        fields = _fields(request, PlacementSchema(data=_sent(request)))
        row = placement_editing.create(caller_of(request).tenant, fields, by=actor_of(request))
        return Response(PlacementSchema(row).data, status=201)


class PlacementView(APIView):
    @extend_schema(responses=PlacementSchema)
    def get(self, request: Request, key: str) -> Response:
        """Read one placement."""
        return Response(PlacementSchema(placement_editing.get(caller_of(request).tenant, key)).data)

    @extend_schema(request=PlacementSchema(partial=True), responses=PlacementSchema)
    def patch(self, request: Request, key: str) -> Response:
        """Change a placement; the change is served within a second."""
        tenant = caller_of(request).tenant
        row = placement_editing.get(tenant, key)
        changes = _fields(request, PlacementSchema(row, data=_sent(request), partial=True))
        return Response(PlacementSchema(placement_editing.edit(tenant, key, changes, by=actor_of(request))).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Remove a placement that no rule and no running experiment names."""
        placement_editing.remove(caller_of(request).tenant, key, by=actor_of(request))
        return Response(status=204)


class PlacementVersionsView(APIView):
    @extend_schema(responses=VersionPageSchema, operation_id="placement_versions_list")
    def get(self, request: Request, key: str) -> Response:
        """List the newest versions of a placement, the present one first."""
        found = placement_editing.versions(caller_of(request).tenant, key)
        return Response({"results": VersionSchema(found, many=True).data, "next": None, "previous": None})


def _sent(request: Request) -> dict[str, Any]:
    sent: dict[str, Any] = parse_json(request.body, dict[str, Any])
    if unknown := sorted(set(sent) - set(PlacementSchema.Meta.fields)):
        raise DomainError("invalid", f"Unknown field: {', '.join(unknown)}.")
    return sent


def _fields(request: Request, serializer: PlacementSchema) -> dict[str, Any]:
    """What was sent, as far as its shape goes."""
    with tenancy.use(caller_of(request).tenant):
        serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
