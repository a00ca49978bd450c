"""The endpoint that the SDK loads."""

import hashlib
from typing import Any

import msgspec
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.authentication import caller_of
from tenants.types import Scope
from widgets.config import config


class ShownPlacementSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    limit = serializers.IntegerField()


class WidgetsConfigSchema(serializers.Serializer[Any]):
    tenant = serializers.CharField()
    currency = serializers.CharField()
    locale = serializers.CharField()
    placements = ShownPlacementSchema(many=True)
    consent = serializers.ChoiceField(choices=["auto", "required", "granted"])


class ConfigView(APIView):
    required_scope = Scope.RECOMMEND

    @extend_schema(
        parameters=[OpenApiParameter("key", str, description="A publishable key, instead of the header.")],
        responses={200: WidgetsConfigSchema, 304: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Read what the SDK needs to know; browsers keep it for a minute."""
        found = config(caller_of(request).tenant)
        etag = f'"{hashlib.sha256(msgspec.json.encode(found)).hexdigest()[:32]}"'
        response = Response(found, headers={"ETag": etag, "Cache-Control": "max-age=60"})
        return get_conditional_response(request, etag=etag, response=response) or response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let pages of the key's origins read every answer, refusals too; a cache keeps keys and origins apart."""
        response = super().finalize_response(request, response, *args, **kwargs)
        origin = request.headers.get("Origin")
        if origin and self._is_shared_with(origin, request, response):
            response["Access-Control-Allow-Origin"] = origin
        patch_vary_headers(response, ["Origin", "X-API-Key", "Authorization"])
        return response

    @staticmethod
    def _is_shared_with(origin: str, request: Request, response: Any) -> bool:
        if response.status_code >= 400:
            return bool(response.data["code"] != "origin_not_allowed")
        return caller_of(request).shares_with(origin)
