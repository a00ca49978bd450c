"""The catalogue's endpoints."""

from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import cards, items
from catalog.models import Item
from catalog.types import ItemIn
from recomengine.lib.api import CursorPages, PageSchema, RejectionSchema
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.authentication import caller_of


class ItemSchema(serializers.Serializer[Any]):
    """A product, in the Google Merchant feed's meaning of its fields."""

    item_id = serializers.CharField(max_length=128)
    title = serializers.CharField(max_length=300)
    description = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    image_url = serializers.CharField(required=False)
    price = serializers.DecimalField(14, 4, required=False, allow_null=True)
    sale_price = serializers.DecimalField(14, 4, required=False, allow_null=True)
    sale_starts_at = serializers.DateTimeField(required=False, allow_null=True)
    sale_ends_at = serializers.DateTimeField(required=False, allow_null=True)
    currency = serializers.CharField(max_length=3, required=False)
    availability = serializers.ChoiceField(choices=Item.Availability.choices, required=False)
    brand = serializers.CharField(required=False)
    categories = serializers.ListField(child=serializers.CharField(), required=False)
    attributes = serializers.DictField(required=False)
    group_id = serializers.CharField(required=False, allow_null=True)
    published_at = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ItemBatchSchema(serializers.Serializer[Any]):
    items = ItemSchema(many=True)


class ItemBatchResultSchema(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectionSchema(many=True)


class ItemPageSchema(PageSchema):
    results = ItemSchema(many=True)


class ItemsView(APIView):
    @extend_schema(responses=ItemPageSchema, operation_id="items_list")
    def get(self, request: Request) -> Response:
        """List the catalogue, newest first."""
        pages = CursorPages()
        with tenancy.use(caller_of(request).tenant):
            page = pages.paginate_queryset(Item.objects.all(), request, view=self)
        return pages.get_paginated_response([cards.product(item) for item in page or []])

    @extend_schema(request=ItemSchema, responses={201: ItemSchema})
    def post(self, request: Request) -> Response:
        """Add one item."""
        item = items.create(caller_of(request).tenant, parse_json(request.body, ItemIn))
        return Response(cards.product(item), status=201)


class ItemView(APIView):
    @extend_schema(responses=ItemSchema)
    def get(self, request: Request, item_id: str) -> Response:
        """Read one item."""
        return Response(cards.product(items.get(caller_of(request).tenant, item_id)))

    @extend_schema(request=ItemSchema, responses={200: ItemSchema, 201: ItemSchema})
    def put(self, request: Request, item_id: str) -> Response:
        """Create the item or replace it whole."""
        tenant = caller_of(request).tenant
        created, _ = items.write(tenant, [self._item(item_id, parse_json(request.body, dict[str, Any]))])
        return Response(cards.product(items.get(tenant, item_id)), status=201 if created else 200)

    @extend_schema(request=ItemSchema(partial=True), responses=ItemSchema)
    def patch(self, request: Request, item_id: str) -> Response:
        """Change the fields that are sent."""
        tenant = caller_of(request).tenant
        sent = parse_json(request.body, dict[str, Any])
        item = items.change(tenant, item_id, lambda stored: self._item(item_id, cards.product(stored) | sent))
        return Response(cards.product(item))

    @extend_schema(responses={204: OpenApiResponse(description="The item is gone.")})
    def delete(self, request: Request, item_id: str) -> Response:
        """Remove the item from the catalogue and from every recommendation."""
        items.delete(caller_of(request).tenant, item_id)
        return Response(status=204)

    @staticmethod
    def _item(item_id: str, fields: dict[str, Any]) -> ItemIn:
        if fields.setdefault("item_id", item_id) != item_id:
            raise DomainError("invalid", "The body's item_id differs from the address.")
        item: ItemIn = parse_json(msgspec.json.encode(fields), ItemIn)
        return item


_OF_ONE_ITEM = extend_schema(exclude=True)  # stands at `catalog/items/{item_id}` in the schema


@extend_schema_view(get=_OF_ONE_ITEM, put=_OF_ONE_ITEM, patch=_OF_ONE_ITEM, delete=_OF_ONE_ITEM)
class ItemBatchView(ItemView):
    """Batches come by POST; every other method is for the item whose id is `batch`."""

    @extend_schema(request=ItemBatchSchema, responses=ItemBatchResultSchema)
    def post(self, request: Request, item_id: str) -> Response:
        """Create or replace up to 500 items; each row succeeds or is rejected on its own."""
        result = items.upsert_body(caller_of(request).tenant, request.body)
        return Response(msgspec.to_builtins(result))
