"""The endpoints of rules: what a merchant wants shown, in which order that applies, and what a rule would change."""

from typing import Any, Final

import msgspec
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.api import PageSchema
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError
from recommendations import parsing, rule_editing, rule_reading
from recommendations.api.recommendations import QuerySchema, SlateSchema
from recommendations.models import Rule
from recommendations.rule_editing import MAX_ORDER
from recommendations.rule_reading import Shown
from recommendations.rules.conflicts import CODES
from recommendations.rules.types import MAX_FACTOR, MOST_TIMES
from recommendations.rules.words import STAGES
from recommendations.serving import answers, explaining
from recommendations.serving.slates import Slate
from recommendations.types import MAX_LIMIT, Query
from tenants import tenancy
from tenants.authentication import actor_of, caller_of
from tenants.types import Scope, TenantRef


def _typed(name: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=[name])


class PinSchema(serializers.Serializer[Any]):
    type = _typed("pin")
    item_id = serializers.CharField(max_length=128)
    position = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT)


class BoostSchema(serializers.Serializer[Any]):
    type = _typed("boost")
    filter = serializers.DictField()
    factor = serializers.FloatField(min_value=1, max_value=MAX_FACTOR)


class BurySchema(serializers.Serializer[Any]):
    type = _typed("bury")
    filter = serializers.DictField()


class IncludeSchema(serializers.Serializer[Any]):
    type = _typed("include")
    filter = serializers.DictField()


class ExcludeSchema(serializers.Serializer[Any]):
    type = _typed("exclude")
    filter = serializers.DictField()


class SameCategorySchema(serializers.Serializer[Any]):
    type = _typed("same_category")
    levels = serializers.IntegerField(min_value=1, max_value=10, allow_null=True, required=False)


class PriceBandSchema(serializers.Serializer[Any]):
    type = _typed("price_band")
    lowest = serializers.FloatField(min_value=0, max_value=1000, allow_null=True, required=False)
    highest = serializers.FloatField(min_value=0, max_value=1000, allow_null=True, required=False)


class HideSchema(serializers.Serializer[Any]):
    type = _typed("hide")
    what = serializers.ChoiceField(choices=["purchased", "in_cart", "seen"])
    times = serializers.IntegerField(min_value=1, max_value=MOST_TIMES, default=5)


ACTIONS: Final[dict[str, Any]] = {
    "pin": PinSchema, "boost": BoostSchema, "bury": BurySchema, "include": IncludeSchema, "exclude": ExcludeSchema,
    "same_category": SameCategorySchema, "price_band": PriceBandSchema, "hide": HideSchema,
}  # fmt: skip
_ACTION: Final = PolymorphicProxySerializer(
    component_name="RuleAction", serializers=ACTIONS, resource_type_field_name="type"
)


class RuleConflictSchema(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=list(CODES))
    rule = serializers.CharField(allow_null=True, help_text="The other rule, if one has a part in it.")
    message = serializers.CharField()


@extend_schema_field(_ACTION)
class ActionField(serializers.JSONField):
    pass


class RuleSchema(serializers.Serializer[Any]):
    key = serializers.RegexField(r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
    name = serializers.CharField(max_length=120)
    placement = serializers.CharField(allow_null=True, required=False, help_text="Where it holds; null for everywhere.")
    action = ActionField()
    when = serializers.DictField(
        allow_null=True, required=False, help_text="What the product at hand has to pass, in the filters' language."
    )
    order = serializers.IntegerField(min_value=0, max_value=MAX_ORDER, default=100)
    enabled = serializers.BooleanField(default=True)
    starts_at = serializers.DateTimeField(allow_null=True, required=False)
    ends_at = serializers.DateTimeField(allow_null=True, required=False)
    version = serializers.IntegerField(read_only=True, help_text="Grows with each change.")
    in_words = serializers.CharField(read_only=True)
    stage = serializers.ChoiceField(
        choices=[each.number for each in STAGES], read_only=True, help_text="When it applies on the way to a slate."
    )
    conflicts = RuleConflictSchema(many=True, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class RuleStageSchema(serializers.Serializer[Any]):
    stage = serializers.IntegerField()
    title = serializers.CharField()
    meaning = serializers.CharField()
    placement = serializers.ListField(
        child=serializers.CharField(), help_text="What the placement itself wants, in words."
    )
    rules = serializers.ListField(child=serializers.CharField(), help_text="The keys of the rules, in their order.")


class RulePageSchema(PageSchema):
    results = RuleSchema(many=True)
    stages = RuleStageSchema(many=True, required=False, help_text="With `placement`: what makes its slates, in order.")


class RulePreviewQuerySchema(QuerySchema):
    after = None  # type: ignore[assignment]
    rule = RuleSchema(required=False, allow_null=True, help_text="A rule that is not saved, as if it were on now.")
    without = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Keys of rules to leave out."
    )


class RulePreviewSchema(serializers.Serializer[Any]):
    before = SlateSchema()
    after = SlateSchema()
    in_words = serializers.CharField(allow_null=True)
    conflicts = RuleConflictSchema(many=True)


class RulesView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("placement", str, description="Only those that hold there, with `stages`.")],
        responses=RulePageSchema,
        operation_id="rules_list",
    )
    def get(self, request: Request) -> Response:
        """List the rules in the order in which they apply, each in words and with its conflicts."""
        if unknown := request.query_params.keys() - {"placement"}:
            raise DomainError(
                "unknown_parameter", f"There is no parameter {min(unknown)[:60]!r}; there is `placement`."
            )
        tenant, placement = caller_of(request).tenant, request.query_params.get("placement")
        found = rule_reading.shown(tenant, placement)
        answer: dict[str, Any] = {"results": [told(each) for each in found], "next": None, "previous": None}
        if placement is not None:
            answer["stages"] = [_step(each) for each in rule_reading.steps(tenant, placement, found)]
        return Response(answer)

    @extend_schema(request=RuleSchema, responses={201: RuleSchema})
    def post(self, request: Request) -> Response:
        """Add a rule; it is served within a second, and what it is in conflict with is told."""
        tenant = caller_of(request).tenant
        row = rule_editing.create(tenant, parse_json(request.body, dict[str, Any]), by=actor_of(request))
        return Response(told(rule_reading.one(tenant, row)), status=201)


class RuleView(APIView):
    @extend_schema(responses=RuleSchema)
    def get(self, request: Request, key: str) -> Response:
        """Read one rule."""
        tenant = caller_of(request).tenant
        return Response(told(rule_reading.one(tenant, rule_editing.get(tenant, key))))

    @extend_schema(request=RuleSchema(partial=True), responses=RuleSchema)
    def patch(self, request: Request, key: str) -> Response:
        """Change a rule; the change is served within a second. An action is replaced as a whole, the key stays."""
        tenant = caller_of(request).tenant
        row = rule_editing.edit(tenant, key, parse_json(request.body, dict[str, Any]), by=actor_of(request))
        return Response(told(rule_reading.one(tenant, row)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Remove a rule."""
        rule_editing.remove(caller_of(request).tenant, key, by=actor_of(request))
        return Response(status=204)


class RulePreviewView(APIView):
    required_scope = Scope.READ  # it changes nothing

    @extend_schema(request=RulePreviewQuerySchema, responses={200: RulePreviewSchema})
    def post(self, request: Request) -> Response:
        """Compare a slate as it is with what it would be with a rule that is not saved, or without some."""
        tenant = caller_of(request).tenant
        rule, without, query = _asked(tenant, request.body)
        compared = rule_reading.compare(tenant, query, rule, without)
        shown = None if rule is None else rule_editing.filled(Rule(), rule)
        found = () if rule is None else rule_reading.conflicts_with(tenant, rule, without)
        return Response({
            "before": _slate(compared.before, query),
            "after": _slate(compared.after, query),
            "in_words": None if shown is None else rule_reading.of_row(shown, {}).in_words,
            "conflicts": [each._asdict() for each in found],
        })  # fmt: skip


class _Preview(msgspec.Struct):
    rule: dict[str, Any] | None = None
    without: list[str] = []
    after: Any = None


def _asked(tenant: TenantRef, body: bytes) -> tuple[rule_editing.RuleIn | None, list[str], Query]:
    own = parse_json(body, _Preview)
    if own.after is not None:
        raise DomainError("unknown_parameter", "A preview has no next page: leave `after` out.")
    others = {
        name: value for name, value in parse_json(body, dict[str, Any]).items() if name not in {"rule", "without"}
    }
    query = parsing.from_json(msgspec.json.encode({**others, "explain": True}))
    if own.rule is None:
        return None, own.without, query
    rule = rule_editing.read({"key": rule_editing.PREVIEWED, "name": "Preview", **own.rule}, "/rule")
    with tenancy.use(tenant):
        rule_editing.check_placement(rule, "/rule")
    return rule, own.without, query


def told(each: Shown) -> dict[str, Any]:
    """A rule as the API shows it."""
    row = each.row
    return {
        "key": row.key,
        "name": row.name,
        "placement": row.placement,
        "action": row.action,
        "when": row.when,
        "order": row.order,
        "enabled": row.enabled,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "version": row.version,
        "in_words": each.in_words,
        "stage": each.stage.number,
        "conflicts": [conflict._asdict() for conflict in each.conflicts],
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _step(each: rule_reading.Step) -> dict[str, Any]:
    return {
        "stage": each.stage.number,
        "title": each.stage.title,
        "meaning": each.stage.meaning,
        "placement": list(each.own),
        "rules": [rule.row.key for rule in each.rules],
    }


def _slate(answer: Slate, query: Query) -> Any:
    """A slate as it is served, explained; without an id, as nobody is shown it."""
    body = answers.body(answer, "", query)
    del body["recommendation_id"]
    for item, each in zip(body["items"], answer.items, strict=True):
        item["explanation"] = explaining.of_item(each)
    body["explanation"] = explaining.explanation(answer)
    if answer.why_not is not None:
        body["why_not"] = explaining.told_why_not(answer.why_not)
    return msgspec.json.decode(msgspec.json.encode(body))
