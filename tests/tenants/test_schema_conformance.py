"""Generated requests to the endpoints of people, tenants and keys: no server error, and answers as the schema says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from recomengine.wsgi import application
from tenants import tokens
from tenants.models import Membership, Tenant, User
from tenants.types import Role

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application).include(
    path_regex=r"^/api/v1/(auth|tenants|api-keys)"
)
# Random texts are rarely time zones, language tags or slugs, which the schema describes in words.
# Who is let in is what the isolation walk is for; here a good token is always sent beside what is generated.
LEFT_OUT = [positive_data_acceptance, ignored_auth]


@pytest.fixture
def bearer(tenants: tuple[Tenant, Tenant], edge: Any) -> dict[str, str]:
    """The access token of shop A's owner, who is staff as well, so that every operation is open to her."""
    owner = User.objects.create_user("owner@example.com", "correct horse battery", is_staff=True)
    Membership.objects.create(user=owner, tenant=tenants[0], role=Role.OWNER)
    return {"Authorization": f"Bearer {tokens.issue(owner).access}", "X-Tenant": tenants[0].slug}


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_answers_are_as_the_schema_says(case: schemathesis.Case, bearer: dict[str, str]) -> None:
    case.call_and_validate(headers=bearer, excluded_checks=LEFT_OUT)
