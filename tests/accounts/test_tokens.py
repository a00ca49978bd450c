"""Access and refresh tokens that are none of ours, or not for this."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.conf import settings

from tenants.models import User
from tests.accounts.conftest import me, tokens
from tests.api import Api

KEY = settings.SIMPLE_JWT["SIGNING_KEY"]
OWN = "somebody else's key, which is as long as ours are"


def signed(access: str, key: str = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """The token with other claims (None: without that), a header of its own, and signed anew."""
    content = jwt.decode(access, options={"verify_signature": False}) | claims
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, "HS256", headers=header)


FORGERIES: dict[str, Callable[[str], str]] = {
    "another key": lambda access: signed(access, OWN),
    "the key of cookies and links": lambda access: signed(access, settings.SECRET_KEY),
    "an address of keys": lambda access: signed(access, OWN, {"jku": "https://evil.example/keys"}),
    "a certificate's address": lambda access: signed(access, OWN, {"x5u": "https://evil.example/x"}),
    "a key of its own": lambda access: signed(access, OWN, {"jwk": {"kty": "oct", "k": "c29tZQ"}}),
    "a key's name": lambda access: signed(access, OWN, {"kid": "/dev/null"}),
    "another audience": lambda access: signed(access, aud="another-api"),
    "no audience": lambda access: signed(access, aud=None),
    "another issuer": lambda access: signed(access, iss="somebody"),
    "expired": lambda access: signed(access, exp=int(time.time()) - 1),
    "no end": lambda access: signed(access, exp=None),
    "not yet": lambda access: signed(access, nbf=int(time.time()) + 60),
    "another type": lambda access: signed(access, token_type="sliding"),
    "no type": lambda access: signed(access, token_type=None),
    "another person": lambda access: signed(access, user_id="0"),
    "no login": lambda access: signed(access, sid=None),
    "another state of the account": lambda access: signed(access, auth="x"),
    "a changed claim": lambda access: access.replace(".", ".e", 1),
    "a changed signature": lambda access: access[:-3] + ("AAA" if access[-3:] != "AAA" else "BBB"),
}


def test_a_token_that_is_signed_anew_unchanged_is_good(person: User, api: Api) -> None:
    """So that the forgeries are refused for what they change."""
    access = tokens(api).json["access"]
    assert me(api, signed(access)) == 200


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused_by_django_and_by_the_edge(
    person: User, api: Api, forgery: str, tenant_a: object
) -> None:
    pair = tokens(api).json
    forged = FORGERIES[forgery](pair["access"])
    for path in ("auth/me", "recommendations", "strategies"):
        answer = Api(api.edge, None, token=forged).get(path)
        assert (answer.status, answer.json["code"]) == (401, "invalid_token"), path
    refused = api.post("auth/refresh", {"refresh": FORGERIES[forgery](pair["refresh"])})
    assert (refused.status, refused.json["code"]) == (401, "invalid_token")


def test_every_login_has_its_own_token(person: User, api: Api) -> None:
    found = [jwt.decode(tokens(api).json["access"], options={"verify_signature": False}) for _ in range(3)]
    assert len({each["jti"] for each in found}) == len({each["sid"] for each in found}) == 3
    assert KEY != settings.SECRET_KEY
