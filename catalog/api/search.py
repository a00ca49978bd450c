"""The search's endpoint."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from django.core import signing
from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from catalog import facets
from catalog.api.items import ItemSchema
from catalog.filters import Filter, Op, every, parse, parse_text
from catalog.search import COUNTED, Search, Sort, search
from recomengine.lib.api import PageSchema
from recomengine.lib.errors import DomainError
from tenants.authentication import caller_of

DEFAULT_LIMIT: Final = 24
MAX_LIMIT: Final = 100
MAX_COUNTED: Final = 100_000
LISTS: Final = ("brand", "category", "availability")
SINGLE: Final = ("q", "filter", "price_from", "price_to", "facets", "sort", "limit", "cursor", "count_up_to")
PRICES: Final = {"price_from": Op.GTE, "price_to": Op.LTE}
PARAMETERS: Final = [
    OpenApiParameter("q", str, description="What a person typed: words, the beginning of one, or an id."),
    OpenApiParameter("filter", str, description='JSON: `{"field": "attributes.color", "op": "eq", "value": "red"}`.'),
    *(OpenApiParameter(name, str, many=True, description="One of these.") for name in LISTS),
    OpenApiParameter("price_from", Decimal, description="Of what a shopper pays now; inclusive."),
    OpenApiParameter("price_to", Decimal, description="Inclusive."),
    OpenApiParameter(
        "facets", str, description="Commas between: `brand,category,availability,price,attributes.color`."
    ),
    OpenApiParameter("sort", str, enum=list(Sort)),
    OpenApiParameter("limit", int),
    OpenApiParameter("cursor", str),
    OpenApiParameter(
        "count_up_to",
        int,
        description=f"Of a broad search total and facets are of so many items; {COUNTED} if not told.",
    ),
]


class SearchSchema(PageSchema):
    results = ItemSchema(many=True)
    total = serializers.IntegerField(help_text="How many were found; no more than `count_up_to`.")
    total_relation = serializers.ChoiceField(["eq", "gte"], help_text="`gte`: there are at least `total`.")
    facets = serializers.DictField(
        child=serializers.ListField(child=serializers.DictField()),
        help_text="`value` and `count`, the most frequent first; of `price` `from`, `to` (exclusive) and `count`.",
    )
    corrections = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Words that no item has, and those that were searched instead.",
    )
    matched = serializers.ChoiceField(["all", "any"], help_text="`any`: no item has all the words, these have one.")


class SearchView(APIView):
    @extend_schema(parameters=PARAMETERS, responses=SearchSchema, operation_id="catalog_search")
    def get(self, request: Request) -> Response:
        """Search the catalogue: words, filters, and counts to narrow by; the most relevant first, then the popular."""
        asked = _asked(request)
        found = search(caller_of(request).tenant, asked)
        following = asked.offset + asked.limit if found.more else None
        return Response(
            {
                "next": _link(request, following),
                "previous": _link(request, max(0, asked.offset - asked.limit) if asked.offset else None),
                "results": found.products,
                "total": found.total,
                "total_relation": "eq" if found.exact else "gte",
                "facets": msgspec.to_builtins(found.facets),
                "corrections": found.corrections,
                "matched": "all" if found.every_word else "any",
            }
        )


def _asked(request: Request) -> Search:
    given = request.query_params
    if unknown := sorted(set(given) - {*LISTS, *SINGLE}):
        raise DomainError("unknown_parameter", f"There is no parameter {', '.join(unknown)[:200]}.")
    if repeated := [name for name in SINGLE if len(given.getlist(name)) > 1]:
        raise DomainError("invalid", f"`{repeated[0]}` is given twice.")
    return Search(
        text=given.get("q", ""),
        filter=_filter(given),
        sort=_sort(given.get("sort", Sort.RELEVANCE)),
        limit=_number(given, "limit", DEFAULT_LIMIT, MAX_LIMIT),
        offset=_offset(given.get("cursor"), request.path),
        facets=_facets(given.get("facets", "")),
        counted=_number(given, "count_up_to", COUNTED, MAX_COUNTED),
    )


def _filter(given: QueryDict) -> Filter:
    """What `filter` says and the parameters that are short for conditions."""
    short: list[tuple[str, str, Op, Any]] = [
        (name, name, Op.IN, given.getlist(name)) for name in LISTS if name in given
    ]
    short += [(name, "current_price", op, given[name]) for name, op in PRICES.items() if name in given]
    parts = [parse({"field": field, "op": op, "value": value}, f"/{name}") for name, field, op, value in short]
    return every(parse_text(str(given["filter"]), "/filter") if "filter" in given else None, *parts)


def _sort(text: str) -> Sort:
    if text not in list(Sort):
        raise DomainError("invalid", f"`sort` is one of {', '.join(Sort)}.")
    return Sort(text)


def _number(given: QueryDict, name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise DomainError("invalid", f"`{name}` is a number from 1 to {most:,}.")
    return int(text)


def _facets(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in text.split(",") if name))
    if unknown := [name for name in names if not facets.exists(name)]:
        known = "brand, category, availability, price and attributes, e.g. attributes.color"
        raise DomainError("invalid", f"There is no facet {unknown[0][:60]!r}; there are {known}.")
    if len(names) > facets.MAX_FACETS:
        raise DomainError("invalid", f"`facets` names at most {facets.MAX_FACETS}.")
    return names


def _offset(cursor: str | None, path: str) -> int:
    if cursor is None:
        return 0
    try:
        offset: int = signing.loads(cursor, salt=path)
    except signing.BadSignature:
        raise DomainError("invalid", "The `cursor` is none that this search gave out.") from None
    return offset


def _link(request: Request, offset: int | None) -> str | None:
    if offset is None:
        return None
    cursor = signing.dumps(offset, salt=request.path)
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))
