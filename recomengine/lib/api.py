"""What the DRF endpoints share: problem responses, cursor pages, and the stand-ins of the hot endpoints."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from recomengine.lib.errors import DomainError, FieldError, problem

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
    return response


def as_domain_error(exc: Exception) -> DomainError | None:
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return DomainError("invalid", errors=field_errors(exc.detail))
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


class CursorPages(CursorPagination):
    """`?limit=&cursor=` → `{"results", "next", "previous"}`; newest first unless the view says otherwise."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500
    ordering: str | tuple[str, ...] = "-id"


class HotEndpoint(APIView):
    """Stands in Django's URLs for an endpoint that `recomengine.edge` serves.

    It exists for the OpenAPI schema; a request that reaches it came to the wrong address.
    """

    def handle(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise DomainError("misdirected_request", f"Send this request to {settings.API_URL}{request.path}.")
