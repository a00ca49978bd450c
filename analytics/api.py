"""The endpoints of the catalogue's data quality, which events and catalogue are both asked for."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import queueing, unknown_items
from analytics.models import UnknownItem
from catalog import quality
from recomengine.lib.api import CursorPages, PageSchema
from tenants import tenancy
from tenants.authentication import caller_of


class IssueSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    title = serializers.CharField()
    advice = serializers.CharField()
    count = serializers.IntegerField(help_text="How many items have it.")
    share = serializers.FloatField(help_text="Of all items, 0 to 1.")


class UnknownItemsSchema(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Items that events name and the catalogue lacks.")
    events = serializers.IntegerField(help_text="Events that name them.")
    since = serializers.DateTimeField()
    checked_at = serializers.DateTimeField()


class QualitySchema(serializers.Serializer[Any]):
    items = serializers.IntegerField()
    issues = IssueSchema(many=True)
    unknown_items = UnknownItemsSchema(allow_null=True, help_text="Null before the first check.")


class FaultyItemSchema(serializers.Serializer[Any]):
    item_id = serializers.CharField()
    title = serializers.CharField()


class FaultyItemPageSchema(PageSchema):
    results = FaultyItemSchema(many=True)


class UnknownItemSchema(serializers.ModelSerializer[UnknownItem]):
    class Meta:
        model = UnknownItem
        fields = ["item_id", "events", "first_at", "last_at"]


class UnknownItemPageSchema(PageSchema):
    results = UnknownItemSchema(many=True)


class CheckQueuedSchema(serializers.Serializer[Any]):
    status = serializers.CharField()


class QualityView(APIView):
    @extend_schema(responses=QualitySchema)
    def get(self, request: Request) -> Response:
        """Count what is wrong with the catalogue: items now, unknown items as of the last check (hourly)."""
        tenant = caller_of(request).tenant
        report, unknown = quality.report(tenant), unknown_items.last(tenant)
        issues = [
            {
                "code": code,
                "title": issue.title,
                "advice": issue.advice,
                "count": report.counts[code],
                "share": round(report.counts[code] / report.items, 4) if report.items else 0.0,
            }
            for code, issue in quality.ISSUES.items()
        ]
        shown = UnknownItemsSchema({**_fields(unknown), "count": unknown.items}).data if unknown else None
        return Response({"items": report.items, "issues": issues, "unknown_items": shown})


class QualityCheckView(APIView):
    @extend_schema(request=None, responses={202: CheckQueuedSchema})
    def post(self, request: Request) -> Response:
        """Compare the events of the last four weeks with the catalogue, in the background."""
        queueing.check_quality_later(caller_of(request).tenant)
        return Response({"status": "queued"}, status=202)


class UnknownItemsView(APIView):
    @extend_schema(responses=UnknownItemPageSchema, operation_id="catalog_quality_unknown_items_list")
    def get(self, request: Request) -> Response:
        """List the items that events name and the catalogue lacks, as of the last check."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(UnknownItem.objects.all(), request, view=self)
        return pages.get_paginated_response(UnknownItemSchema(page, many=True).data)


class FaultyItemsView(APIView):
    @extend_schema(responses=FaultyItemPageSchema, operation_id="catalog_quality_items_list")
    def get(self, request: Request, code: str) -> Response:
        """List the items with an issue, the newest first."""
        tenant, pages = caller_of(request).tenant, CursorPages()
        with tenancy.use(tenant):
            page = pages.paginate_queryset(quality.having(tenant, code), request, view=self)
        return pages.get_paginated_response([{"item_id": item.item_id, "title": item.title} for item in page])


def _fields(unknown: unknown_items.Unknown) -> dict[str, Any]:
    return {"events": unknown.events, "since": unknown.since, "checked_at": unknown.checked_at}
