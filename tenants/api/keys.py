"""The endpoints of API keys."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib import clock
from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.decoding import parse_json
from recomengine.lib.fields import NO_NUL, Instant, check_instant
from tenants import directory, keys
from tenants.authentication import SAFE, actor_of, caller_of
from tenants.models import ApiKey, Tenant
from tenants.types import KeyType, Scope

Origin = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=200)]


class KeyIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    type: KeyType
    name: Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=80)] = ""
    allowed_origins: Annotated[list[Origin], msgspec.Meta(max_length=50)] = []
    expires_at: Instant | None = None
    requests_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        check_instant("expires_at", self.expires_at)


class RotationIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=int(keys.MAX_OVERLAP.total_seconds()))] = int(
        keys.OVERLAP.total_seconds()
    )


class KeyRequestSchema(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=[str(kind) for kind in KeyType])
    name = serializers.CharField(required=False, max_length=80, help_text="What the key is for.")
    allowed_origins = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Of a publishable key; none means the tenant's."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    requests_per_second = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="Its own limit, beside the tenant's."
    )


class RotationSchema(serializers.Serializer[Any]):
    overlap_seconds = serializers.IntegerField(
        required=False, min_value=0, help_text="How long the old key still works; a day by default, 30 at most."
    )


class KeySchema(serializers.Serializer[Any]):
    """An API key, without its secret."""

    id = serializers.CharField(help_text="The twelve characters after the type in the key.")
    type = serializers.ChoiceField(choices=[str(kind) for kind in KeyType])
    name = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=["active", "expired", "revoked"])
    allowed_origins = serializers.ListField(child=serializers.CharField())
    requests_per_second = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewKeySchema(KeySchema):
    """An API key with its secret, which is shown now and never again."""

    key = serializers.CharField()


class KeyPageSchema(PageSchema):
    results = KeySchema(many=True)


class _KeysView(APIView):
    @property
    def required_scope(self) -> Scope:
        """Whoever reads sees keys without their secrets."""
        return Scope.READ if self.request.method in SAFE else Scope.KEYS


class KeysView(_KeysView):
    @extend_schema(
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)], responses=KeyPageSchema,
        operation_id="api_keys_list",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the tenant's keys, newest first, ended ones too."""
        pages = CursorPages()
        page = pages.paginate_queryset(ApiKey.objects.filter(tenant=_tenant(request)), request, view=self)
        return pages.get_paginated_response([shown(row) for row in page])

    @extend_schema(request=KeyRequestSchema, responses={201: NewKeySchema})
    def post(self, request: Request) -> Response:
        """Make a key; the answer holds its secret, for the only time."""
        sent = parse_json(request.body, KeyIn)
        chosen = keys.KeySettings(sent.name, sent.allowed_origins, sent.expires_at, sent.requests_per_second)
        token = keys.create_key(_tenant(request), sent.type, chosen, by=actor_of(request))
        return Response(new_key(token), status=201)


class KeyView(_KeysView):
    @extend_schema(responses=KeySchema)
    def get(self, request: Request, key_id: str) -> Response:
        """Read one key."""
        return Response(shown(keys.get(_tenant(request), key_id)))

    @extend_schema(responses={204: OpenApiResponse(description="The key is refused everywhere within a second.")})
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke a key, and with it the keys that it made, except the one that asks."""
        keys.revoke_key(_tenant(request), key_id, by=actor_of(request))
        return Response(status=204)


class KeyRotationView(_KeysView):
    @extend_schema(request=RotationSchema, responses={201: NewKeySchema})
    def post(self, request: Request, key_id: str) -> Response:
        """Make a key's successor; the old one still works for the overlap, then expires."""
        sent = parse_json(request.body, RotationIn) if request.body else RotationIn()
        overlap = timedelta(seconds=sent.overlap_seconds)
        return Response(new_key(keys.rotate_key(_tenant(request), key_id, overlap, by=actor_of(request))), status=201)


def _tenant(request: Request) -> Tenant:
    return directory.get_model(caller_of(request).tenant.slug)


def new_key(token: keys.Token) -> dict[str, Any]:
    return {**shown(ApiKey.objects.get(key_id=token.key_id)), "key": str(token)}


def shown(row: ApiKey) -> dict[str, Any]:
    """A key as JSON-ready data; nothing of its secret is in the row."""
    names = ("type", "name", "allowed_origins", "requests_per_second")
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "id": row.key_id,
        "status": row.status_at(clock.now()),
        **{name: getattr(row, name) for name in (*names, *times)},
    }
