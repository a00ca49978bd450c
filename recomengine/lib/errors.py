"""The errors every part of the API speaks: a stable code, a status, and a sentence that says what to do.

Domain code raises `DomainError(code)`; the DRF exception handler and the hot path turn it into the same
`application/problem+json` body (RFC 9457).
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypedDict

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "malformed_json": (400, "The body is not valid JSON"),
    "malformed_encoding": (400, "The compressed body is damaged"),
    "invalid": (400, "The request is not valid"),
    "batch_too_large": (400, "The batch holds too many rows"),
    "unknown_parameter": (400, "The request names a parameter that does not exist"),
    "unknown_strategy": (400, "There is no strategy of that name"),
    "address_not_allowed": (400, "That address is none that feeds are fetched from"),
    "fetch_failed": (400, "The feed could not be fetched"),
    "unknown_format": (400, "The format of the feed could not be told"),
    "authentication_required": (401, "An API key or a login is required"),
    "invalid_key": (401, "The API key is unknown, revoked or expired"),
    "invalid_token": (401, "The token is malformed, expired or ended"),
    "invalid_credentials": (401, "The email address, password and code do not belong together"),
    "tenant_required": (400, "The request does not say which tenant it is about"),
    "forbidden": (403, "This caller may not do that"),
    "second_factor_required": (403, "A second factor is required"),
    "unverified_email": (403, "The email address is not verified yet"),
    "sign_up_closed": (403, "New accounts are made by the operators only"),
    "insecure_transport": (403, "The API is served over HTTPS only"),
    "origin_not_allowed": (403, "This publishable key is not allowed from this origin"),
    "tenant_suspended": (403, "This tenant is suspended"),
    "not_found": (404, "There is no such thing here"),
    "unknown_placement": (404, "There is no placement of that key"),
    "unknown_recommendation": (404, "That recommendation is not known, or not any more"),
    "method_not_allowed": (405, "That method is not allowed here"),
    "not_acceptable": (406, "The answer is JSON only"),
    "request_timeout": (408, "The body took too long to arrive"),
    "conflict": (409, "That exists already, or contradicts what exists"),
    "in_use": (409, "Something else needs that"),
    "too_many_tenants": (409, "This person owns as many tenants as one person may"),
    "last_owner": (409, "A tenant keeps at least one owner"),
    "training_in_progress": (409, "A training of this tenant is already under way"),
    "too_many_imports": (409, "As many imports wait as may"),
    "too_many_deletions": (409, "The import would delete too much of the catalogue"),
    "file_gone": (409, "The import's file is no longer kept"),
    "payload_too_large": (413, "The body is too large"),
    "feed_too_large": (413, "The feed is too large"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "unsupported_encoding": (415, "The body is compressed in a way that is not read here"),
    "misdirected_request": (421, "That endpoint is served by the API address"),
    "throttled": (429, "Too many requests"),
    "quota_exceeded": (429, "The month's events are used up"),
    "internal_error": (500, "Something went wrong on our side"),
    "store_unavailable": (503, "The event store is away; try again"),
    "archive_unavailable": (503, "The archive of events cannot be read or written"),
    "model_store_unavailable": (503, "The model store cannot be read or written"),
    "mail_unavailable": (503, "The mail server is away; try again"),
    "overloaded": (503, "The server is busy; try again"),
}


class FieldError(TypedDict):
    """One wrong value: where it is (RFC 6901 pointer), a stable code and a sentence."""

    pointer: str
    code: str
    message: str


class DomainError(Exception):
    """A refusal with a stable `code`, listed in `CODES` and in docs/errors.md.

    `detail` is a sentence for the person who reads it; `errors` name single fields; `retry_after` is in seconds,
    `headers` are further ones of the answer.
    """

    def __init__(
        self, code: str, detail: str = "", *, errors: Sequence[FieldError] = (), retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail or CODES[code][1])
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.retry_after = retry_after
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return CODES[self.code][0]


def problem(error: DomainError) -> dict[str, Any]:
    """The RFC 9457 body of an error, as JSON-ready data."""
    status, title = CODES[error.code]
    body: dict[str, Any] = {
        "type": f"https://recomengine.dev/errors/{error.code}",
        "title": title,
        "status": status,
        "detail": error.detail or f"{title}. {HTTPStatus(status).description}".strip(),
        "code": error.code,
    }
    if error.errors:
        body["errors"] = error.errors
    return body
