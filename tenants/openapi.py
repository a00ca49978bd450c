"""How keys and people's tokens show in the OpenAPI schema."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

KEY = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
TOKEN = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class TenantScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.TenantAuthentication"
    name = ["ApiKey", "AccessToken"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [KEY, TOKEN]


class AnyScheme(TenantScheme):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.AnyAuthentication"


class PersonScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.PersonAuthentication"
    name = "AccessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return TOKEN
