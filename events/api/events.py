"""The event endpoints: the listing, and the hot ones' place in the schema (`events.hot` serves them)."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from events import listing
from events.models import Event
from events.types import EventType
from recomengine.lib.api import CursorPages, HotEndpoint, PageSchema, RejectionSchema
from tenants import tenancy
from tenants.authentication import caller_of
from tenants.types import Scope


class LineSchema(serializers.Serializer[Any]):
    item_id = serializers.CharField(max_length=128)
    quantity = serializers.IntegerField(required=False, default=1)
    price = serializers.DecimalField(14, 4, required=False, help_text="Per unit.")


class EventSchema(serializers.Serializer[Any]):
    """One thing a visitor did."""

    event_id = serializers.UUIDField(required=False, help_text="Makes retries idempotent.")
    type = serializers.ChoiceField(choices=[str(kind) for kind in EventType])
    occurred_at = serializers.DateTimeField(required=False)
    visitor_id = serializers.CharField(max_length=128, required=False)
    user_id = serializers.CharField(max_length=128, required=False)
    session_id = serializers.CharField(max_length=128, required=False)
    items = LineSchema(many=True, required=False)
    item_id = serializers.CharField(max_length=128, required=False, help_text="Short for one item.")
    quantity = serializers.IntegerField(required=False)
    price = serializers.DecimalField(14, 4, required=False)
    order_id = serializers.CharField(max_length=128, required=False, help_text="A purchase needs it.")
    currency = serializers.CharField(max_length=3, required=False)
    recommendation_id = serializers.CharField(max_length=128, required=False)
    placement = serializers.CharField(max_length=128, required=False)
    position = serializers.IntegerField(required=False)
    properties = serializers.DictField(required=False)


class EventBatchSchema(serializers.Serializer[Any]):
    events = EventSchema(many=True)


class RejectedEventSchema(RejectionSchema):
    pass


class AcceptedSchema(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedEventSchema(many=True)


class StoredEventSchema(serializers.ModelSerializer[Event]):
    """One stored item line of an event."""

    class Meta:
        model = Event
        fields = [
            "event_id", "line", "type", "occurred_at", "received_at", "visitor_id", "user_id", "session_id", "item_id",
            "quantity", "price", "currency", "order_id", "recommendation_id", "placement", "position", "properties",
            "consent", "flag",
        ]  # fmt: skip


class StoredEventPageSchema(PageSchema):
    results = StoredEventSchema(many=True)


_SESSION = "Needs another id beside it, or `from` and `to` at most 31 days apart."
FILTERS = [
    OpenApiParameter(name, str, description=_SESSION if name == "session_id" else "") for name in listing.EXACT
] + [
    OpenApiParameter("flagged", bool, description="Whether trainings and statistics leave the event out."),
    OpenApiParameter("from", datetime, description="Inclusive."),
    OpenApiParameter("to", datetime, description="Exclusive."),
]
_PAGES = [OpenApiParameter("limit", int), OpenApiParameter("cursor", str)]


class EventsView(HotEndpoint):
    @extend_schema(parameters=FILTERS + _PAGES, responses=StoredEventPageSchema)
    def get(self, request: Request) -> Response:
        """List stored events, newest first."""
        pages, wanted = CursorPages(), listing.parse(request.query_params.dict(), also=("limit", "cursor"))
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(listing.matching(wanted), request, view=self)
            results = StoredEventSchema(page or [], many=True).data
        return pages.get_paginated_response(results)

    @extend_schema(request=EventSchema, responses={202: AcceptedSchema})
    def post(self, request: Request) -> Response:
        """Send one event; 202 means it is stored durably."""
        return self.handle(request)


class EventBatchView(HotEndpoint):
    required_scope = Scope.TRACK

    @extend_schema(request=EventBatchSchema, responses={202: AcceptedSchema})
    def post(self, request: Request) -> Response:
        """Send up to 100 events; each is accepted or rejected on its own."""
        return self.handle(request)
