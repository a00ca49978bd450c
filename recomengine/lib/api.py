"""What the DRF endpoints share: problem responses, cursor pages, and the stand-ins of the hot endpoints."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import redis.exceptions as redis
import structlog
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.http import Http404
from kombu import exceptions as kombu
from rest_framework import exceptions, serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView, set_rollback

from recomengine.lib.errors import DomainError, FieldError, problem

log = structlog.get_logger(__name__)
M = TypeVar("M", bound=Model)
Row = TypeVar("Row")

_CODES: Mapping[type[Exception], str] = {
    exceptions.ParseError: "malformed_json",
    exceptions.NotAuthenticated: "authentication_required",
    exceptions.AuthenticationFailed: "invalid_key",
    exceptions.PermissionDenied: "forbidden",
    PermissionDenied: "forbidden",
    exceptions.NotFound: "not_found",
    Http404: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
    RequestDataTooBig: "payload_too_large",
}
_AWAY: Mapping[type[Exception], tuple[str, str]] = {
    OperationalError: ("store_unavailable", "The database is away; try again."),
    InterfaceError: ("store_unavailable", "The database is away; try again."),
    redis.ConnectionError: ("overloaded", "The model cache is away; try again."),
    redis.TimeoutError: ("overloaded", "The model cache is away; try again."),
    kombu.OperationalError: ("overloaded", "The queue of the workers is away; try again."),
}


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal is a problem; anything else is a bug and stays an exception."""
    error = as_domain_error(exc)
    if error is None:
        return None
    set_rollback()
    response = Response(problem(error), status=error.status, content_type="application/problem+json")
    if error.status == 401:
        response["WWW-Authenticate"] = 'ApiKey realm="api"'
    retry_after = error.retry_after or getattr(exc, "wait", None)
    if retry_after:
        response["Retry-After"] = str(int(retry_after))
    for name, value in error.headers.items():
        response[name] = value
    return response


def as_domain_error(exc: Exception) -> DomainError | None:
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return DomainError("invalid", errors=field_errors(exc.detail))
    if isinstance(exc, DataError) and "NUL" in str(exc):
        return DomainError("invalid", "A text holds a NUL character.")
    for kind, away in _AWAY.items():
        if isinstance(exc, kind):
            log.warning("server away", error=str(exc))
            return DomainError(*away, retry_after=2)
    for kind, code in _CODES.items():
        if isinstance(exc, kind):
            detail = "" if isinstance(exc, Http404) else str(getattr(exc, "detail", ""))
            return DomainError(code, detail)
    return None


def field_errors(detail: Any, pointer: str = "") -> list[FieldError]:
    """DRF's nested error detail as a flat list with RFC 6901 pointers."""
    if isinstance(detail, dict):
        return [error for name, inner in detail.items() for error in field_errors(inner, f"{pointer}/{name}")]
    if isinstance(detail, list):
        return [error for inner in detail for error in field_errors(inner, pointer)]
    return [{"pointer": pointer, "code": getattr(detail, "code", "invalid"), "message": str(detail)}]


class CursorPages(BasePagination):
    """`?limit=&cursor=` → `{"results", "next", "previous"}`, in descending order of the primary key, or in ascending.

    A cursor is the key of the row at a page's end, and the direction from it. Keys are compared whole, so that any
    number of rows may share the first column of one. Cursors are signed: nobody else makes one up.
    """

    limit = 50
    max_limit = 500

    def __init__(self, *, ascending: bool = False) -> None:
        self._ascending = ascending

    def paginate_queryset(
        self, queryset: "QuerySet[M, Row]", request: Request, view: APIView | None = None
    ) -> list[Row]:
        self._url, limit = request.build_absolute_uri(), self._limit(request)
        cursor = self._cursor(request)
        backward = cursor is not None and cursor[0]
        upward = backward != self._ascending
        if cursor is not None:
            queryset = queryset.filter(**{"pk__gt" if upward else "pk__lt": cursor[1]})
        found = list(queryset.order_by("pk" if upward else "-pk")[: limit + 1])
        more, rows = len(found) > limit, found[:limit]
        if backward:
            rows.reverse()
        self._previous = self._link(rows[:1], True) if (more if backward else cursor) else None
        self._next = self._link(rows[-1:], False) if backward or more else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def _limit(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.limit))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= self.max_limit):
            raise DomainError("invalid", f"`limit` is a number from 1 to {self.max_limit}.")
        return int(text)

    def _cursor(self, request: Request) -> tuple[bool, Any] | None:
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            backward, key = signing.loads(text, salt=request.path)
        except signing.BadSignature:
            raise DomainError("invalid", "The `cursor` is none that this list gave out.") from None
        return backward, key

    def _link(self, rows: Sequence[Any], backward: bool) -> str | None:
        if not rows:
            return None
        cursor = signing.dumps([backward, msgspec.to_builtins(rows[0].pk)], salt=urlsplit(self._url).path)
        return str(replace_query_param(self._url, "cursor", cursor))


# What lists and batches have in common in the OpenAPI schema. A docstring here would describe every schema built on it.
class PageSchema(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RejectionSchema(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()
    pointer = serializers.CharField()


class HotEndpoint(APIView):
    """Stands in Django's URLs for an endpoint that `recomengine.edge` serves.

    It exists for the OpenAPI schema; a request that reaches it came to the wrong address.
    """

    def handle(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise DomainError("misdirected_request", f"Send this request to {settings.API_URL}{request.path}.")
