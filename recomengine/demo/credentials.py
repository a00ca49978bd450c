"""The demo's keys and login, kept in `.local/demo.json` because keys are shown only once."""

import json
import secrets
from pathlib import Path
from typing import Any, Final, TypedDict

from allauth.account.models import EmailAddress
from django.conf import settings

from recomengine.lib.errors import DomainError
from tenants import directory, keys
from tenants.models import Membership, Tenant, User
from tenants.types import KeyType, Role, TenantRef

EMAIL: Final = "admin@example.com"
KEYS: Final = {
    "publishable_key": KeyType.PUBLISHABLE,
    "read_key": KeyType.READ_ONLY,
    "read_write_key": KeyType.READ_WRITE,
}


class Login(TypedDict):
    email: str
    password: str


class Credentials(TypedDict):
    """What `.local/demo.json` holds."""

    api_url: str
    dashboard_url: str
    tenants: dict[str, dict[str, str]]
    admin: Login


def ensure(path: Path, tenants: list[TenantRef]) -> Credentials:
    """The demo's credentials: those in the file as far as they still work, new ones otherwise."""
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    admin = _admin(known.get("admin", {}))
    found: Credentials = {
        "api_url": settings.API_URL,
        "dashboard_url": settings.DASHBOARD_URL,
        "tenants": {tenant.slug: _keys(tenant, known.get("tenants", {}).get(tenant.slug, {})) for tenant in tenants},
        "admin": admin,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(found, indent=2) + "\n")
    return found


def _keys(tenant: TenantRef, known: dict[str, str]) -> dict[str, str]:
    return {name: _key(tenant, kind, known.get(name, "")) for name, kind in KEYS.items()}


def _key(tenant: TenantRef, kind: KeyType, known: str) -> str:
    try:
        if keys.authenticate(known).tenant.slug == tenant.slug:
            return known
    except DomainError as error:
        if error.code != "invalid_key":
            raise
    origins = ["*"] if kind is KeyType.PUBLISHABLE else []  # a demo's pages may be opened from anywhere
    return str(keys.create_key(directory.get_model(tenant.slug), kind, keys.KeySettings("demo", origins)))


def _admin(known: dict[str, str]) -> Login:
    """An operator who is also the owner of every demo shop."""
    user = User.objects.filter(email=EMAIL).first()
    password = known.get("password", "")
    if user is None or not password or not user.check_password(password):
        password = secrets.token_urlsafe(12)
        user = user or User(email=EMAIL, name="Demo admin", is_staff=True, is_superuser=True)
        user.set_password(password)
        user.save()
    EmailAddress.objects.update_or_create(user=user, email=EMAIL, defaults={"verified": True, "primary": True})
    for tenant in Tenant.objects.all():
        Membership.objects.get_or_create(user=user, tenant=tenant, defaults={"role": Role.OWNER})
    return {"email": EMAIL, "password": password}
