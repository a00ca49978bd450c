"""The endpoints of experiments. The one that starts them is served where their variants are understood."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import editing
from experiments.editing import MAX_VARIANTS, MIN_VARIANTS, Variants
from experiments.models import Experiment
from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.decoding import given, parse_json
from tenants import tenancy
from tenants.authentication import actor_of, caller_of

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Placement = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Coverage = Annotated[float, msgspec.Meta(ge=0, le=1)]
UNSET = msgspec.UNSET


class ExperimentIn(msgspec.Struct, forbid_unknown_fields=True):
    """An experiment as it is sent."""

    key: str
    name: Name
    placement: Placement
    variants: Variants
    coverage: Coverage = 1.0


class ExperimentChangesIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent to change one."""

    name: Name | msgspec.UnsetType = UNSET
    placement: Placement | msgspec.UnsetType = UNSET
    variants: Variants | msgspec.UnsetType = UNSET
    coverage: Coverage | msgspec.UnsetType = UNSET


class VariantSchema(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=64)
    weight = serializers.FloatField(min_value=0, max_value=1, help_text="Its share of those who take part.")
    configuration = serializers.DictField(
        required=False, help_text="What it makes of the placement: any setting, `strategy` and `without_rules`."
    )


class ExperimentSchema(serializers.ModelSerializer[Experiment]):
    variants = serializers.ListField(
        child=VariantSchema(),
        min_length=MIN_VARIANTS,
        max_length=MAX_VARIANTS,
        help_text="The control first. The weights sum to 1.",
    )

    class Meta:
        model = Experiment
        fields = ["key", "name", "placement", "status", "phase", "coverage", "variants", "created_at", "updated_at"]
        read_only_fields = ["status", "phase", "created_at", "updated_at"]


class ExperimentChangesSchema(ExperimentSchema):
    class Meta(ExperimentSchema.Meta):
        fields = ["name", "placement", "coverage", "variants"]


class ExperimentPageSchema(PageSchema):
    results = ExperimentSchema(many=True)


class ExperimentsView(APIView):
    @extend_schema(responses=ExperimentPageSchema, operation_id="experiments_list")
    def get(self, request: Request) -> Response:
        """List the experiments, newest first."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(Experiment.objects.all(), request, view=self)
        return pages.get_paginated_response(ExperimentSchema(page, many=True).data)

    @extend_schema(request=ExperimentSchema, responses={201: ExperimentSchema})
    def post(self, request: Request) -> Response:
        """Add an experiment as a draft, which changes nothing until it is started."""
        fields = msgspec.structs.asdict(parse_json(request.body, ExperimentIn))
        row = editing.create(caller_of(request).tenant, fields, by=actor_of(request))
        return Response(ExperimentSchema(row).data, status=201)


class ExperimentView(APIView):
    @extend_schema(responses=ExperimentSchema)
    def get(self, request: Request, key: str) -> Response:
        """Read one experiment."""
        return Response(ExperimentSchema(editing.get(caller_of(request).tenant, key)).data)

    @extend_schema(request=ExperimentChangesSchema(partial=True), responses=ExperimentSchema)
    def patch(self, request: Request, key: str) -> Response:
        """Change one; while it runs only its coverage may rise."""
        changes = given(parse_json(request.body, ExperimentChangesIn))
        row = editing.edit(caller_of(request).tenant, key, changes, by=actor_of(request))
        return Response(ExperimentSchema(row).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Remove one that does not run."""
        editing.remove(caller_of(request).tenant, key, by=actor_of(request))
        return Response(status=204)


class PauseView(APIView):
    @extend_schema(request=None, responses=ExperimentSchema)
    def post(self, request: Request, key: str) -> Response:
        """Stop dividing the visitors; the phase goes on with the next start."""
        row = editing.pause(caller_of(request).tenant, key, by=actor_of(request))
        return Response(ExperimentSchema(row).data)
