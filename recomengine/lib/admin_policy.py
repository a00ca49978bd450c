"""The operators' admin has a Content-Security-Policy of its own: unfold evaluates expressions and styles inline."""

from collections.abc import Callable
from typing import Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, HttpResponseBase

PREFIX: Final = "/admin/"
POLICY: Final = {"script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE], "style-src": [SELF, UNSAFE_INLINE]}


class AdminPolicy:
    """Adds what unfold needs to the strict policy, under `/admin/` only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.relaxed = csp_update(POLICY)(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.relaxed(request) if request.path.startswith(PREFIX) else self.get_response(request)
