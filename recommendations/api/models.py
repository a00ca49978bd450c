"""The endpoints of models: trainings, what became of them and why, and which version is live."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.api import CursorPages, PageSchema
from recommendations import trainings
from recommendations.models import ModelRun
from recommendations.releases import releasing
from recommendations.training import scheduling
from tenants import tenancy
from tenants.authentication import actor_of, caller_of


class StageSchema(serializers.Serializer[Any]):
    name = serializers.CharField()
    seconds = serializers.FloatField()


class TrainingProgressSchema(serializers.Serializer[Any]):
    percent = serializers.IntegerField()
    doing = serializers.CharField(help_text="The table that is being built, if one is.")


class DecisionSchema(serializers.Serializer[Any]):
    """Whether the version was published, and why."""

    publish = serializers.BooleanField()
    code = serializers.CharField()
    text = serializers.CharField()
    differences = serializers.DictField(help_text="New less live of each measure: [value, low, high].")
    beats_popular = serializers.BooleanField(allow_null=True)
    live = serializers.CharField(allow_null=True, help_text="The version it was compared with.")


class ModelRunSchema(serializers.ModelSerializer[ModelRun]):
    """One training run and its model."""

    stages = serializers.SerializerMethodField(help_text="Those that are complete, with the seconds they took.")
    progress = serializers.SerializerMethodField()
    decision = DecisionSchema(allow_null=True)
    quality = serializers.ListField(
        child=serializers.DictField(), help_text="How good each strategy was on time that training had not seen."
    )

    class Meta:
        model = ModelRun
        fields = [
            "version", "status", "stage", "progress", "stages", "attempts", "started_at", "finished_at",
            "published_at", "is_pinned", "data_from", "data_to", "split_at", "events", "items", "parameters",
            "quality", "decision", "report", "error",
        ]  # fmt: skip

    @extend_schema_field(StageSchema(many=True))
    def get_stages(self, run: ModelRun) -> list[dict[str, Any]]:
        return [{"name": name, "seconds": run.seconds[name]} for name in trainings.STAGES if name in run.seconds]

    @extend_schema_field(TrainingProgressSchema)
    def get_progress(self, run: ModelRun) -> dict[str, Any]:
        return {"percent": run.progress, "doing": run.doing}


class ModelRunPageSchema(PageSchema):
    results = ModelRunSchema(many=True)


class ScheduleSchema(serializers.Serializer[Any]):
    every = serializers.IntegerField(help_text="Minutes, as the tenant's `training_every`; 0: only when asked for.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="If there is new data then.")
    has_new_data = serializers.BooleanField()
    is_under_way = serializers.BooleanField()
    failures = serializers.IntegerField(help_text="Attempts that failed since the last training that did not.")


class ModelsView(APIView):
    @extend_schema(responses=ModelRunPageSchema, operation_id="models_list")
    def get(self, request: Request) -> Response:
        """List training runs with their quality, newest first."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(ModelRun.objects.all(), request, view=self)
        return pages.get_paginated_response(ModelRunSchema(page or [], many=True).data)


class ModelView(APIView):
    @extend_schema(responses=ModelRunSchema)
    def get(self, request: Request, version: str) -> Response:
        """Read one training run: how far it is, how good its model is, and why it was published or held back."""
        return Response(ModelRunSchema(releasing.found(caller_of(request).tenant, version)).data)


class PublishView(APIView):
    @extend_schema(request=None, responses=ModelRunSchema)
    def post(self, request: Request, version: str) -> Response:
        """Make a version live that was held back, rolled back or superseded."""
        return Response(
            ModelRunSchema(releasing.publish(caller_of(request).tenant, version, by=actor_of(request))).data
        )


class RollbackView(APIView):
    @extend_schema(request=None, responses=ModelRunSchema)
    def post(self, request: Request, version: str) -> Response:
        """Take the live version back; the answer is the one that was live before it, and is again."""
        run = releasing.roll_back(caller_of(request).tenant, version, by=actor_of(request))
        return Response(ModelRunSchema(run).data)


class ScheduleView(APIView):
    @extend_schema(responses=ScheduleSchema)
    def get(self, request: Request) -> Response:
        """When the next training by the clock begins; `PATCH tenants/{slug}` changes how often."""
        return Response(ScheduleSchema(asdict(scheduling.schedule(caller_of(request).tenant))).data)


class QueuedSchema(serializers.Serializer[Any]):
    status = serializers.CharField()


class TrainView(APIView):
    @extend_schema(request=None, responses={202: QueuedSchema})
    def post(self, request: Request) -> Response:
        """Train in the background; `GET models` shows the run."""
        scheduling.train_now(caller_of(request).tenant, by=actor_of(request))
        return Response({"status": "queued"}, status=202)
