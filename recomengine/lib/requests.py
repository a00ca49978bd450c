"""A request id on every response and every log line."""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from recomengine.lib.ids import new_id

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


def request_id(offered: str | None) -> str:
    """The caller's `X-Request-ID` if it is harmless in a log, else a new one."""
    return offered if offered and _ACCEPTABLE.match(offered) else new_id()


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        identifier = request_id(request.headers.get("X-Request-ID"))
        request.request_id = identifier  # type: ignore[attr-defined]  # for the audit log
        with structlog.contextvars.bound_contextvars(request_id=identifier):
            response = self.get_response(request)
        response["X-Request-ID"] = identifier
        return response
