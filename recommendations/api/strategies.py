"""The endpoints of strategies: the built-in ones, and a merchant's own."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.decoding import given, parse_json
from recommendations import custom_strategies, placements
from recommendations.custom_strategies import Parts
from recommendations.models import CustomStrategy
from recommendations.strategies import STRATEGIES, Anchors, Strategy
from recommendations.strategies.blends import MAX_PARTS, MAX_WEIGHT
from tenants import tenancy
from tenants.authentication import actor_of, caller_of


class StrategyIn(msgspec.Struct, forbid_unknown_fields=True):
    """A strategy of one's own as it is sent."""

    key: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    parts: Parts


class StrategyChangesIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent to change one."""

    key: str | msgspec.UnsetType = msgspec.UNSET
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)] | msgspec.UnsetType = msgspec.UNSET
    parts: Parts | msgspec.UnsetType = msgspec.UNSET


class PartSchema(serializers.Serializer[Any]):
    strategy = serializers.CharField(help_text="A built-in strategy.")
    weight = serializers.FloatField(
        default=1, min_value=0, max_value=MAX_WEIGHT, help_text="Above 0, relative to the others'."
    )
    parameters = serializers.DictField(
        required=False, help_text="What is set of the strategy; `GET strategies` lists what each one knows."
    )


class CustomStrategySchema(serializers.ModelSerializer[CustomStrategy]):
    parts = serializers.ListField(child=PartSchema(), min_length=1, max_length=MAX_PARTS)

    class Meta:
        model = CustomStrategy
        fields = ["key", "name", "parts", "created_at", "updated_at"]
        read_only_fields = ["created_at", "updated_at"]


class ParameterSchema(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField(help_text="boolean, integer or number.")
    description = serializers.CharField()
    minimum = serializers.FloatField(required=False)
    maximum = serializers.FloatField(required=False)


class StrategySchema(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="What placements and requests name it by.")
    name = serializers.CharField()
    description = serializers.CharField()
    built_in = serializers.BooleanField()
    starts_from = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(each) for each in Anchors]), help_text="What it starts from."
    )
    needs_model = serializers.BooleanField(help_text="Whether it shows nothing before a training.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="The codes of its evidence.")
    parameters = ParameterSchema(many=True, help_text="What a blend may set of it.")


class StrategyListSchema(serializers.Serializer[Any]):
    results = StrategySchema(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class StrategiesView(APIView):
    @extend_schema(responses=StrategyListSchema, operation_id="strategies_list")
    def get(self, request: Request) -> Response:
        """List the strategies that a placement can name: the built-in ones, then the shop's own."""
        with tenancy.use(caller_of(request).tenant):
            own = placements.blends()
        strategies = [*STRATEGIES.values(), *own.values()]
        return Response({"results": [shown(each) for each in strategies], "next": None, "previous": None})

    @extend_schema(request=CustomStrategySchema, responses={201: CustomStrategySchema})
    def post(self, request: Request) -> Response:
        """Add a blend of built-in strategies; it can be asked for within a second."""
        sent = parse_json(request.body, StrategyIn)
        row = custom_strategies.create(caller_of(request).tenant, sent.key, sent.name, sent.parts, by=actor_of(request))
        return Response(CustomStrategySchema(row).data, status=201)


class StrategyView(APIView):
    @extend_schema(responses=CustomStrategySchema)
    def get(self, request: Request, key: str) -> Response:
        """Read one of the shop's own strategies."""
        return Response(CustomStrategySchema(custom_strategies.get(caller_of(request).tenant, key)).data)

    @extend_schema(request=CustomStrategySchema(partial=True), responses=CustomStrategySchema)
    def patch(self, request: Request, key: str) -> Response:
        """Change one; the change is served within a second."""
        changes = given(parse_json(request.body, StrategyChangesIn))
        row = custom_strategies.edit(caller_of(request).tenant, key, changes, by=actor_of(request))
        return Response(CustomStrategySchema(row).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Remove one that no placement names."""
        custom_strategies.remove(caller_of(request).tenant, key, by=actor_of(request))
        return Response(status=204)


def shown(strategy: Strategy) -> dict[str, Any]:
    """A strategy as the API lists it."""
    return {
        "key": strategy.name,
        "name": strategy.title,
        "description": strategy.description,
        "built_in": strategy.name in STRATEGIES,
        "starts_from": [str(each) for each in strategy.starts_from],
        "needs_model": strategy.needs_model,
        "reasons": list(strategy.reasons),
        "parameters": [_parameter(name, setting) for name, setting in strategy.settings.items()],
    }


def _parameter(name: str, setting: Any) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", float: "number"}
    plain = {"name": name, "type": kinds[setting.kind], "description": setting.meaning}
    return plain if setting.kind is bool else plain | {"minimum": setting.least, "maximum": setting.most}
