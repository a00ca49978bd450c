"""Registration and people's tokens, through the API."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from recomengine.lib import clock, redis
from tenants import provisioning, schemas, tenancy
from tenants.models import AuditEntry, Membership, Tenant, User
from tenants.types import TenantRef
from tests.api import Answer, Api

PASSWORD = "correct horse battery"
BEA = {"email": "bea@example.com", "password": PASSWORD}


@pytest.fixture
def stranger(edge: Any, tenants: Any) -> Iterator[Api]:
    yield Api(edge, None)
    for slug in ("tea-house", "tea"):
        schemas.drop(f"t_{slug.replace('-', '_')}")


def register(api: Api, **fields: Any) -> Answer:
    return api.post("auth/register", BEA | fields)


def logged_in(api: Api) -> dict[str, str]:
    register(api)
    answer = api.post("auth/login", BEA)
    assert answer.status == 200, answer.body
    tokens: dict[str, str] = answer.json
    return tokens


def me(api: Api, access: str) -> Answer:
    return Api(api.edge, None, token=access).get("auth/me")


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_signing_up_gives_an_account_a_shop_and_keys_that_work(stranger: Api) -> None:
    answer = register(
        stranger, name="Bea", tenant={"name": "Tea House", "currency": "GBP", "timezone": "Europe/London"}
    )
    assert answer.status == 201, answer.body
    made = answer.json
    assert made["person"] == {
        "email": "bea@example.com", "name": "Bea", "email_verified": False, "second_factor": False, "is_staff": False,
        "tenants": [{"tenant": "tea-house", "name": "Tea House", "status": "active", "role": "owner"}],
    }  # fmt: skip
    assert (made["tenant"]["slug"], made["tenant"]["plan"], made["tenant"]["currency"]) == ("tea-house", "trial", "GBP")
    keys = {each["type"]: each["key"] for each in made["api_keys"]}
    assert set(keys) == {"pub", "ro", "rw"}
    server = Api(stranger.edge, keys["rw"])
    assert server.post("catalog/items", {"item_id": "cup", "title": "Cup"}).status == 201
    assert server.post("events", {"type": "view", "visitor_id": "v", "item_id": "cup"}).json["accepted"] == 1
    assert Api(stranger.edge, keys["pub"]).get("recommendations", {"visitor_id": "v"}).status == 200
    assert [each["item_id"] for each in Api(stranger.edge, keys["ro"]).get("catalog/items").json["results"]] == ["cup"]
    assert me(stranger, made["access"]).json == made["person"]


def test_an_account_can_be_made_without_a_shop_and_open_one_later(stranger: Api) -> None:
    made = register(stranger).json
    assert (made["tenant"], made["api_keys"]) == (None, [])
    person = Api(stranger.edge, None, token=made["access"])
    assert refusal(person.get("catalog/items")) == (400, "tenant_required")
    answer = person.post("tenants", {"name": "Tea", "slug": "tea"})
    assert answer.status == 201, answer.body
    assert {key["type"] for key in answer.json["api_keys"]} == {"pub", "ro", "rw"}
    assert person.get("catalog/items").json["results"] == []
    assert Membership.objects.get(user__email="bea@example.com").role == "owner"


def test_the_address_is_verified_by_a_link_that_leads_to_the_dashboard(stranger: Api, settings: Any) -> None:
    register(stranger)
    [message] = mail.outbox
    assert message.to == ["bea@example.com"]
    assert settings.DASHBOARD_URL in message.body
    assert not EmailAddress.objects.get(email="bea@example.com").verified


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""), ("email", "bea"), ("email", "bea@"), ("email", "b\x00@example.com"),
        ("email", "a" * 250 + "@b.example"),
        ("email", 1), ("password", ""), ("password", "short"), ("password", "password1234"),
        ("password", "bea@example.com"),
        ("password", "1" * 201), ("name", "x" * 121), ("name", None), ("tenant", {"name": ""}), ("tenant", {}),
        ("tenant", {"name": "Tea", "currency": "pounds"}), ("tenant", {"name": "Tea", "timezone": "Mars/Olympus"}),
        ("tenant", {"name": "Tea", "slug": "Tea House"}), ("tenant", {"name": "Tea", "locale": "<b>"}),
        ("tenant", {"name": "Tea", "allowed_origins": ["javascript:alert(1)"]}),
        ("tenant", {"name": "Tea", "allowed_origins": ["https://shop.example/path"]}),
        ("tenant", {"name": "Tea", "x": 1}),
        ("tenant", {"name": "Tea", "plan": "enterprise"}),
        ("admin", True),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_and_leaves_nothing(stranger: Api, field: str, value: Any) -> None:
    answer = register(stranger, **{field: value})
    assert refusal(answer) == (400, "invalid")
    assert answer.json["errors"][0]["pointer"].startswith(f"/{field}") or field == "tenant", answer.json
    assert not User.objects.exists()
    assert not mail.outbox
    assert not Tenant.objects.exclude(slug__in=["shop-a", "shop-b"]).exists()


def test_an_address_has_one_account_whatever_its_case(stranger: Api) -> None:
    assert register(stranger).status == 201
    assert refusal(register(stranger, email="BEA@Example.com")) == (409, "conflict")
    assert User.objects.count() == 1


def test_a_shop_that_cannot_be_opened_leaves_no_account(stranger: Api) -> None:
    assert refusal(register(stranger, tenant={"name": "A", "slug": "shop-a"})) == (409, "conflict")
    assert not User.objects.exists()


def test_of_many_who_sign_up_with_one_address_one_gets_it(stranger: Api) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: register(stranger).status, range(6)))
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]


def test_sign_ups_from_one_address_are_limited(stranger: Api, settings: Any) -> None:
    settings.SIGN_UPS_PER_HOUR = 2
    answers = [register(stranger, email=f"b{n}@example.com") for n in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert 1000 < int(answers[2].headers["retry-after"]) <= 1800
    assert User.objects.count() == 2


def test_sign_up_can_be_closed(stranger: Api, settings: Any) -> None:
    settings.SIGN_UP_OPEN = False
    assert refusal(register(stranger)) == (403, "sign_up_closed")


def test_a_person_opens_a_handful_of_shops_and_no_more(stranger: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "MAX_OWN", 1)
    access = register(stranger, tenant={"name": "Tea"}).json["access"]
    assert refusal(Api(stranger.edge, None, token=access).post("tenants", {"name": "Tea 2"})) == (
        409,
        "too_many_tenants",
    )


# --- Tokens ----------------------------------------------------------------------------------------------------------


def test_a_login_answers_with_tokens_that_say_who_it_is(stranger: Api) -> None:
    tokens = logged_in(stranger)
    assert me(stranger, tokens["access"]).json["email"] == "bea@example.com"
    claims = json.loads(base64.urlsafe_b64decode(tokens["access"].split(".")[1] + "=="))
    assert (claims["iss"], claims["aud"], claims["token_type"]) == ("recomengine", "recomengine-api", "access")
    assert claims["exp"] - claims["iat"] == 15 * 60


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong horse battery"}, {"email": "nobody@example.com"}, {"password": ""}]
)
def test_a_wrong_login_does_not_tell_what_is_wrong(stranger: Api, wrong: dict[str, str]) -> None:
    register(stranger)
    answer = stranger.post("auth/login", BEA | wrong)
    assert refusal(answer) == (401, "invalid_credentials")
    assert answer.json["detail"] == stranger.post("auth/login", BEA | {"password": "no"}).json["detail"]


def test_a_closed_account_logs_in_no_more_and_its_tokens_end(stranger: Api) -> None:
    tokens = logged_in(stranger)
    User.objects.update(is_active=False)
    assert refusal(stranger.post("auth/login", BEA)) == (401, "invalid_credentials")
    assert refusal(me(stranger, tokens["access"])) == (401, "invalid_token")
    assert refusal(stranger.post("auth/refresh", {"refresh": tokens["refresh"]})) == (401, "invalid_token")


def test_five_wrong_passwords_lock_an_account_and_only_that(stranger: Api) -> None:
    register(stranger)
    register(stranger, email="ann@example.com")
    for _ in range(5):
        assert stranger.post("auth/login", BEA | {"password": "wrong"}).status == 401
    locked = stranger.post("auth/login", BEA)
    assert refusal(locked) == (429, "throttled")
    assert int(locked.headers["retry-after"]) > 0
    assert stranger.post("auth/login", BEA | {"email": "ann@example.com"}).status == 200


def test_a_refresh_token_is_used_once(stranger: Api) -> None:
    first = logged_in(stranger)
    answer = stranger.post("auth/refresh", {"refresh": first["refresh"]})
    assert answer.status == 200
    assert answer.json["refresh"] != first["refresh"]
    assert me(stranger, answer.json["access"]).status == 200


def test_a_refresh_token_that_comes_twice_ends_the_login(stranger: Api) -> None:
    first = logged_in(stranger)
    second = stranger.post("auth/refresh", {"refresh": first["refresh"]}).json
    other_login = stranger.post("auth/login", BEA).json
    assert refusal(stranger.post("auth/refresh", {"refresh": first["refresh"]})) == (401, "invalid_token")
    assert refusal(stranger.post("auth/refresh", {"refresh": second["refresh"]})) == (401, "invalid_token")
    assert refusal(me(stranger, second["access"])) == (401, "invalid_token")
    assert me(stranger, other_login["access"]).status == 200


def test_an_ended_login_stays_ended_when_redis_loses_everything(stranger: Api) -> None:
    first = logged_in(stranger)
    second = stranger.post("auth/refresh", {"refresh": first["refresh"]}).json
    stranger.post("auth/refresh", {"refresh": first["refresh"]})
    redis.client().flushdb()
    assert refusal(stranger.post("auth/refresh", {"refresh": second["refresh"]})) == (401, "invalid_token")


def test_of_two_who_refresh_with_one_token_one_at_most_succeeds(stranger: Api) -> None:
    refresh = logged_in(stranger)["refresh"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stranger.post("auth/refresh", {"refresh": refresh}).status, range(4)))
    assert sorted(answers)[1:] == [401, 401, 401]


def test_logging_out_ends_the_access_token_as_well(stranger: Api) -> None:
    tokens = logged_in(stranger)
    assert stranger.post("auth/logout", {"refresh": tokens["refresh"]}).status == 204
    assert refusal(me(stranger, tokens["access"])) == (401, "invalid_token")
    assert refusal(stranger.post("auth/refresh", {"refresh": tokens["refresh"]})) == (401, "invalid_token")


def test_a_new_password_ends_every_login(stranger: Api) -> None:
    tokens = logged_in(stranger)
    bea = User.objects.get(email="bea@example.com")
    bea.set_password("another horse battery")
    bea.save()
    assert refusal(me(stranger, tokens["access"])) == (401, "invalid_token")
    assert refusal(stranger.post("auth/refresh", {"refresh": tokens["refresh"]})) == (401, "invalid_token")


def test_tokens_expire(stranger: Api) -> None:
    tokens = logged_in(stranger)
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        assert refusal(me(stranger, tokens["access"])) == (401, "invalid_token")
    with time_machine.travel(clock.now() + timedelta(days=8), tick=False):
        assert refusal(stranger.post("auth/refresh", {"refresh": tokens["refresh"]})) == (401, "invalid_token")


def forged(token: str, header: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=") + "." + token.split(".", 1)[1]


def test_a_token_that_is_none_of_ours_is_no_entry(stranger: Api) -> None:
    tokens = logged_in(stranger)
    access, refresh = tokens["access"], tokens["refresh"]
    none = forged(access, {"alg": "none", "typ": "JWT"})
    wrong = [
        refresh,
        none,
        none.rsplit(".", 1)[0] + ".",
        forged(access, {"alg": "HS512", "typ": "JWT"}),
        access[:-2],
        "a.b.c",
    ]
    for token in wrong:
        assert refusal(me(stranger, token)) == (401, "invalid_token")
    for token in (access, "", "a.b.c"):
        assert refusal(stranger.post("auth/refresh", {"refresh": token})) == (401, "invalid_token")


def test_tokens_open_the_hot_path_and_the_rest(stranger: Api, tenant_a: TenantRef) -> None:
    access = logged_in(stranger)["access"]
    person = Api(stranger.edge, None, token=access)
    Membership.objects.create(user=User.objects.get(), tenant=Tenant.objects.get(slug="shop-a"), role="editor")
    view = {"type": "view", "visitor_id": "v", "item_id": "i"}
    assert person.get("recommendations").status == 200
    assert person.post("events", view).status == 202
    assert person.get("events").json["results"][0]["item_id"] == "i"
    Membership.objects.update(role="viewer")
    assert refusal(person.post("events", view)) == (403, "forbidden")
    Membership.objects.all().delete()
    assert refusal(person.get("recommendations")) == (400, "tenant_required")


def test_a_shop_that_asks_for_a_second_factor_opens_only_with_one(stranger: Api, tenant_a: TenantRef) -> None:
    access = logged_in(stranger)["access"]
    Membership.objects.create(user=User.objects.get(), tenant=Tenant.objects.get(slug="shop-a"), role="owner")
    Tenant.objects.filter(slug="shop-a").update(requires_second_factor=True)
    person = Api(stranger.edge, None, token=access)
    for path in ("recommendations", "catalog/items"):
        assert refusal(person.get(path)) == (403, "second_factor_required")


def test_no_secret_is_stored_or_told(stranger: Api, caplog: pytest.LogCaptureFixture) -> None:
    tokens = logged_in(stranger)
    stranger.post("auth/login", BEA | {"password": "a wrong secret"})
    stranger.post("auth/refresh", {"refresh": tokens["refresh"]})
    secrets = [PASSWORD, "a wrong secret", tokens["refresh"], tokens["access"]]
    kept = str(list(OutstandingToken.objects.values())) + str(list(AuditEntry.objects.values()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(u)::text FROM tenants_user u")
        kept += str(cursor.fetchall())
    assert not [secret for secret in secrets if secret in kept or secret in caplog.text]
    assert "argon2" in kept


def test_a_tenants_schema_is_never_left_in_use(stranger: Api) -> None:
    register(stranger, tenant={"name": "Tea"})
    assert tenancy.connection.schema_name == "public"
