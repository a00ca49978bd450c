"""What Django itself refuses: problems under /api/, pages for people elsewhere."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views import defaults

from recomengine.lib.errors import DomainError, problem

API = "/api/"


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
