"""The same request by a plain DRF view, to compare with: its stack, the same key, the same slate, the same answer."""

import os
import uuid
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

import msgspec  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from recommendations import parsing, preview  # noqa: E402
from recommendations.serving import answers  # noqa: E402
from tenants.authentication import caller_of  # noqa: E402
from tenants.types import Scope  # noqa: E402

ADDRESS = "/api/v1/plain"


class PlainView(APIView):
    """What the hot path answers, with products as dictionaries that DRF's renderer makes JSON of again."""

    required_scope = Scope.RECOMMEND

    def get(self, request: Request) -> Response:
        query = parsing.from_parameters(request.query_params.items())
        slate = preview.slate(caller_of(request).tenant, query)
        body: dict[str, Any] = answers.body(slate, uuid.uuid4().hex, query)
        return Response(msgspec.json.decode(msgspec.json.encode(body)))


urlpatterns = [path(ADDRESS[1:], PlainView.as_view())]
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()
