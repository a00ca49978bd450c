"""What the pages of the admin have in common: changes go through domain functions, and refusals are said."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirect
from unfold.admin import ModelAdmin

from recomengine.lib.commands import refusal
from recomengine.lib.errors import DomainError
from tenants import actors
from tenants.types import Actor

SECRETS: Final = ("digest", "token", "data", "session_key", "password", "key")


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """Pages that show rows and change none; what holds a secret is left out."""

    show_full_result_count = False
    warn_unsaved_form = False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        names = [field.name for field in self.model._meta.get_fields()]
        return [name for name in names if name in SECRETS]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Operated(ModelAdmin):  # type: ignore[misc]
    """Pages that change things through domain functions, and say what these refuse."""

    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._said(request, lambda: super(Operated, self).changelist_view(request, *args, **kwargs))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._said(request, lambda: super(Operated, self).changeform_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._said(request, lambda: super(Operated, self).delete_view(request, *args, **kwargs))

    def _said(self, request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
        try:
            return answer()
        except DomainError as error:
            self.message_user(request, refusal(error)[1], messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def do(self, request: HttpRequest, rows: Iterable[Any], job: Callable[..., Any], done: str) -> None:
        """An action: the job on each row, by the person who asked for it; refusals are said row by row."""
        count = 0
        for row in rows:
            try:
                job(row, by=by(request))
                count += 1
            except DomainError as error:
                self.message_user(request, f"{row}: {refusal(error)[1]}", messages.ERROR)
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)


def by(request: HttpRequest) -> Actor:
    """Who the audit log names: the operator, with the address that the request came from."""
    return actors.of_person(request, request.user.get_username())


def is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
