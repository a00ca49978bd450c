"""Who does something, made of a request: a key's or a person's name with the address and the request's id."""

import getpass
import os

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from tenants.types import Actor, Caller


def of_caller(request: HttpRequest, caller: Caller) -> Actor:
    return Actor(caller.kind, caller.name, address_of(request), request_id_of(request))


def of_person(request: HttpRequest, email: str) -> Actor:
    return Actor(Actor.PERSON, email, address_of(request), request_id_of(request))


def of_command() -> Actor:
    """Whoever runs a command: the account that became root, if sudo says so, else the process's own."""
    return Actor(Actor.OPERATOR, os.environ.get("SUDO_USER") or getpass.getuser())


def address_of(request: HttpRequest) -> str:
    """The client's IP address; behind proxies, the one that the trusted ones vouch for."""
    return str(get_adapter().get_client_ip(request))


def request_id_of(request: HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))
