"""The endpoint that starts an experiment: here, because serving knows which variants it understands."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import editing
from experiments.api import ExperimentSchema
from recommendations.placement_editing import check_experiment
from tenants.authentication import actor_of, caller_of


class StartView(APIView):
    @extend_schema(request=None, responses=ExperimentSchema)
    def post(self, request: Request, key: str) -> Response:
        """Serve each visitor a variant, within a second; the phase is a new one unless the experiment was paused."""
        row = editing.start(caller_of(request).tenant, key, check_experiment, by=actor_of(request))
        return Response(ExperimentSchema(row).data)
