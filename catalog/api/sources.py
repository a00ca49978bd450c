"""The endpoints of sources: feeds that come again."""

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import importing, sources
from catalog.api import import_schemas as schemas
from catalog.api.import_schemas import RunIn, SourceChangesIn, SourceIn, shown, source_shown
from recomengine.lib.api import CursorPages
from recomengine.lib.decoding import parse_json
from tenants import tenancy
from tenants.authentication import actor_of, caller_of
from tenants.types import Scope


class SourcesView(APIView):
    @extend_schema(responses=schemas.SourcePageSchema, operation_id="sources_list")
    def get(self, request: Request) -> Response:
        """List the sources."""
        pages = CursorPages()
        whole = caller_of(request).allows(Scope.WRITE)
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(sources.listed(), request, view=self)
        return pages.get_paginated_response([source_shown(each, whole) for each in page or []])

    @extend_schema(request=schemas.SourceSchema, responses={201: schemas.SourceSchema})
    def post(self, request: Request) -> Response:
        """Add a source; one with `every_minutes` is fetched within a minute, and then again and again."""
        sent = parse_json(request.body, SourceIn)
        source = sources.create(caller_of(request).tenant, msgspec.to_builtins(sent), by=actor_of(request))
        return Response(source_shown(source, whole=True), status=201)


class SourceView(APIView):
    @extend_schema(responses=schemas.SourceSchema)
    def get(self, request: Request, key: str) -> Response:
        """Read one source."""
        caller = caller_of(request)
        return Response(source_shown(sources.get(caller.tenant, key), caller.allows(Scope.WRITE)))

    @extend_schema(request=schemas.SourceSchema(partial=True), responses=schemas.SourceSchema)
    def patch(self, request: Request, key: str) -> Response:
        """Change the fields that are sent."""
        sent = parse_json(request.body, SourceChangesIn)
        source = sources.edit(caller_of(request).tenant, key, msgspec.to_builtins(sent), by=actor_of(request))
        return Response(source_shown(source, whole=True))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Remove a source; its imports and the items stay."""
        sources.remove(caller_of(request).tenant, key, by=actor_of(request))
        return Response(status=204)


class SourceRunView(APIView):
    @extend_schema(request=schemas.RunSchema, responses={202: schemas.ImportSchema})
    def post(self, request: Request, key: str) -> Response:
        """Fetch the source and import it now."""
        sent = parse_json(request.body or b"{}", RunIn)
        row = importing.run_source(caller_of(request).tenant, key, force=sent.force, by=actor_of(request))
        return Response(shown(row), status=202)
