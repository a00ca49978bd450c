"""The endpoint of the serving log: what was shown under a recommendation_id."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations import served
from tenants.authentication import caller_of


class ServedItemSchema(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    item_id = serializers.CharField()
    source = serializers.CharField(help_text="The strategy that proposed it.")  # type: ignore[assignment]
    score = serializers.FloatField()
    propensity = serializers.FloatField(help_text="The probability with which this item is in this slot.")


class ServedSchema(serializers.Serializer[Any]):
    """A slate as it was served."""

    recommendation_id = serializers.CharField()
    served_at = serializers.DateTimeField()
    placement = serializers.CharField()
    strategy = serializers.CharField()
    model_version = serializers.CharField(allow_null=True)
    experiment = serializers.CharField(allow_null=True)
    phase = serializers.IntegerField(allow_null=True)
    variant = serializers.CharField(allow_null=True)
    visitor_id = serializers.CharField()
    user_id = serializers.CharField(allow_null=True)
    items_at_hand = serializers.ListField(child=serializers.CharField(), help_text="The newest 20.")
    session_items = serializers.ListField(child=serializers.CharField(), help_text="The newest 20.")
    degraded = serializers.BooleanField(help_text="A server was away: it was less than usual.")
    empty_reason = serializers.CharField(allow_null=True)
    share = serializers.FloatField(help_text="The probability with which such a visitor's slates are logged.")
    items = ServedItemSchema(many=True)


class ServedView(APIView):
    @extend_schema(responses=ServedSchema, operation_id="recommendations_served")
    def get(self, request: Request, recommendation_id: str) -> Response:
        """Read what was served under a recommendation_id, from a second after it was.

        Slates for nobody in particular, and those of visitors that are not sampled, are not kept.
        """
        return Response(served.shown(served.get(caller_of(request).tenant, recommendation_id)))
