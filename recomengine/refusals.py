"""What Django itself refuses: problems under /api/, pages for people elsewhere."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views import defaults
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from recomengine.lib.errors import DomainError, problem

log = structlog.get_logger(__name__)
API = "/api/"
AWAY = (OperationalError, InterfaceError, ConnectionInterrupted, RedisConnectionError, RedisTimeoutError)


class AwayMiddleware:
    """A page whose view could not reach PostgreSQL or Redis says so, instead of blaming itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, AWAY) or request.path.startswith(API):
            return None
        log.warning("server away", path=request.path, error=str(exception))
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "5"})


class ApiTransport:
    """Refuses API requests that came by plain HTTP where TLS is on; keeps answers of the API from caches.

    A redirect would have the caller send its key in clear for ever, and never notice.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API):
            return self.get_response(request)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return _problem("insecure_transport")
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _problem("invalid") if request.path.startswith(API) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _problem("forbidden") if request.path.startswith(API) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(API):
        return _problem("not_found", "There is no such address; /api/v1/docs/ shows those there are.")
    return defaults.page_not_found(request, exception)


def too_many(request: HttpRequest) -> HttpResponse:
    """What allauth answers over one of its limits (`ACCOUNT_RATE_LIMITS`), all but one of which are by the minute."""
    response = _problem("throttled") if request.path.startswith(API) else render(request, "429.html", status=429)
    response["Retry-After"] = "60"
    return response


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _problem("internal_error") if request.path.startswith(API) else defaults.server_error(request)


def _problem(code: str, detail: str = "") -> HttpResponse:
    error = DomainError(code, detail)
    return JsonResponse(problem(error), status=error.status, content_type="application/problem+json")
