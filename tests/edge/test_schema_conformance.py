"""Generated requests to the hot endpoints as they run: no server error, and answers as the schema says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from recomengine.wsgi import application
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.conftest import new_key
from tests.sdk.conftest import api_url  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application).include(
    path_regex=r"^/api/v1/(events|events/batch|recommendations)$", method="POST"
)
# What an event's type needs is described in words, and a bad event is rejected within a 202; who is let in is what the
# isolation walk is for.
LEFT_OUT = [positive_data_acceptance, negative_data_rejection, ignored_auth]


@pytest.fixture
def headers(tenant_a: TenantRef) -> dict[str, str]:
    """A key of a shop of which the process logs no slates: they would arrive after the test, among the next one's."""
    Tenant.objects.filter(slug=tenant_a.slug).update(serving_log_share=0.0)
    return {"X-API-Key": new_key(tenant_a)}


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_answers_are_as_the_schema_says(
    case: schemathesis.Case,
    api_url: str,  # noqa: F811
    headers: dict[str, str],
) -> None:
    case.call_and_validate(base_url=api_url, headers=headers, excluded_checks=LEFT_OUT)
