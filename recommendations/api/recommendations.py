"""The endpoints of recommendations, which the edge answers: their place in the schema, and their permission."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from recomengine.lib.api import HotEndpoint
from recommendations import parsing
from recommendations.strategies import STRATEGIES
from recommendations.types import MAX_LIMIT
from tenants.types import Scope


class ReasonSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    because_of = serializers.CharField(required=False, help_text="The item_id this is shown for.")
    count = serializers.IntegerField(help_text="How many shoppers or orders support it.")
    text = serializers.CharField(help_text="The evidence in words.")


class ScorePartSchema(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="place, rule, margin, newness or shown_often.")
    factor = serializers.FloatField(help_text="What the value was multiplied by; 0 puts an item behind all others.")
    rule = serializers.CharField(allow_null=True)


class ItemExplanationSchema(serializers.Serializer[Any]):
    value = serializers.FloatField(help_text="What the order went by.")
    parts = ScorePartSchema(many=True, help_text="What the value is made of; empty where nothing changes the order.")
    pinned_by = serializers.CharField(allow_null=True, help_text="The rule that put it there.")
    propensity = serializers.FloatField(help_text="The probability with which this item is in this slot.")


class PassedOverSchema(serializers.Serializer[Any]):
    rule = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class RulesExplanationSchema(serializers.Serializer[Any]):
    applied = serializers.ListField(child=serializers.CharField(), help_text="The rules that had a say.")
    passed_over = PassedOverSchema(many=True)


class FilteredSchema(serializers.Serializer[Any]):
    item_id = serializers.CharField()
    source = serializers.CharField(help_text="The strategy that proposed it.")  # type: ignore[assignment]
    code = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="The rule, or `filter`, `currency` or `placement`.")
    message = serializers.CharField()


class ExplanationSchema(serializers.Serializer[Any]):
    considered = serializers.IntegerField(help_text="How many items could have been shown.")
    not_asked = serializers.ListField(
        child=serializers.CharField(), help_text="Strategies that had nothing to start from."
    )
    rules = RulesExplanationSchema()
    filtered = FilteredSchema(many=True, help_text="What was proposed and may not be shown, and why.")


class WhyNotSchema(serializers.Serializer[Any]):
    item_id = serializers.CharField()
    code = serializers.CharField()
    by = serializers.CharField(allow_null=True)
    place = serializers.IntegerField(allow_null=True, help_text="Its place in the order, from 1.")
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    message = serializers.CharField()


class AssignmentSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    variant = serializers.CharField()
    phase = serializers.IntegerField()


class RecommendedSchema(serializers.Serializer[Any]):
    item_id = serializers.CharField()
    position = serializers.IntegerField()
    score = serializers.FloatField()
    source = serializers.CharField(help_text="The strategy that proposed it.")  # type: ignore[assignment]
    reason = ReasonSchema()
    product = serializers.DictField()
    explanation = ItemExplanationSchema(required=False, help_text="With `explain`.")


class EmptyReasonSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class SlateSchema(serializers.Serializer[Any]):
    recommendation_id = serializers.CharField()
    placement = serializers.CharField()
    strategy = serializers.CharField()
    experiment = AssignmentSchema(allow_null=True, help_text="The variant that this visitor has, if any.")
    model_version = serializers.CharField(allow_null=True)
    fallback_share = serializers.FloatField(help_text="Share of items that the first strategy did not supply, 0 to 1.")
    context = serializers.DictField()  # type: ignore[assignment]
    items = RecommendedSchema(many=True)
    empty_reason = EmptyReasonSchema(required=False)
    degraded = serializers.BooleanField(required=False, help_text="A server was away: this is less than usual.")
    explanation = ExplanationSchema(required=False)
    why_not = WhyNotSchema(required=False)


class SharedSchema(serializers.Serializer[Any]):
    item_id = serializers.ListField(child=serializers.CharField(), required=False)
    session_items = serializers.ListField(child=serializers.CharField(), required=False)
    exclude = serializers.ListField(child=serializers.CharField(), required=False)
    visitor_id = serializers.CharField(required=False)
    user_id = serializers.CharField(required=False)
    filter = serializers.DictField(required=False, help_text="Which items may be shown, in the filters' language.")
    currency = serializers.CharField(required=False)
    locale = serializers.CharField(required=False)
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.ChoiceField(choices=parsing.FIELDS), required=False
    )
    explain = serializers.BooleanField(required=False)


class QuerySchema(SharedSchema):
    placement = serializers.CharField(required=False, default="home")
    strategy = serializers.CharField(required=False, help_text=f"One of {', '.join(STRATEGIES)}, or the shop's own.")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT)
    diversity = serializers.FloatField(required=False, min_value=0, max_value=1)
    why_not = serializers.CharField(required=False, help_text="An item_id.")
    after = serializers.CharField(required=False, help_text="A recommendation_id.")


class BatchQuerySchema(SharedSchema):
    requests = QuerySchema(many=True, min_length=1, max_length=parsing.MAX_SLATES)  # type: ignore[call-arg]


class BatchSchema(serializers.Serializer[Any]):
    results = SlateSchema(many=True, help_text="A slate for each request, in their order.")


_PARAMETERS = [
    OpenApiParameter("placement", str, description="Which slot of the page; `home` by default."),
    OpenApiParameter("strategy", str, description="Asked first, instead of the placement's own first strategy."),
    OpenApiParameter("item_id", str, many=True, description="The product at hand; repeated for a basket."),
    OpenApiParameter("session_items", str, many=True, description="Items of this visit, newest first."),
    OpenApiParameter("exclude", str, many=True, description="Items not to show."),
    OpenApiParameter("visitor_id", str),
    OpenApiParameter("user_id", str),
    OpenApiParameter("limit", int, description=f"1 to {MAX_LIMIT}; the placement's limit by default."),
    OpenApiParameter("filter", str, description="Which items may be shown: JSON in the filters' language."),
    OpenApiParameter("diversity", float, description="How much brands and categories are mixed, 0 to 1."),
    OpenApiParameter("currency", str, description="Only items that are sold in it."),
    OpenApiParameter("locale", str, description="Such as `de-AT`. It is checked; reasons are in English."),
    OpenApiParameter("fields", str, many=True, description="What of the products is told; everything by default."),
    OpenApiParameter("explain", bool, description="Tell what had a say in the slate."),
    OpenApiParameter("why_not", str, description="An item_id: tell why it is not in the slate."),
    OpenApiParameter("after", str, description="A recommendation_id: the next page after it, for ten minutes."),
]


class RecommendationsView(HotEndpoint):
    required_scope = Scope.RECOMMEND

    @extend_schema(parameters=_PARAMETERS, responses=SlateSchema)
    def get(self, request: Request) -> Response:
        """Recommend items for a placement, an item, a basket or a visitor."""
        return self.handle(request)

    @extend_schema(request=QuerySchema, responses={200: SlateSchema})
    def post(self, request: Request) -> Response:
        """The same, with the parameters as JSON."""
        return self.handle(request)


class RecommendationsBatchView(HotEndpoint):
    required_scope = Scope.RECOMMEND

    @extend_schema(request=BatchQuerySchema, responses={200: BatchSchema})
    def post(self, request: Request) -> Response:
        """Recommend items for several placements of one page, none of which shows what one before it shows.

        What stands beside `requests` (a visitor, items, a filter, …) holds for each that does not say otherwise.
        """
        return self.handle(request)
