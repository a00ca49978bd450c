"""Who may call an operation, as the OpenAPI schema says it; the schemes themselves are in `SPECTACULAR_SETTINGS`."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class _Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    name: list[str] = []
    accepted: tuple[str, ...] = ("ApiKey", "AccessToken")

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return []

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.accepted]


class TenantScheme(_Scheme):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.TenantAuthentication"


class AnyScheme(_Scheme):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.AnyAuthentication"


class PersonScheme(_Scheme):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.PersonAuthentication"
    accepted = ("AccessToken",)
