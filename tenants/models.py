"""Tenants, people and keys: everything in the public schema."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django_tenants.models import DomainMixin, TenantMixin

from tenants.types import Caller, KeyType, TenantRef

slug_validator = RegexValidator(
    r"^[a-z][a-z0-9-]{1,39}\Z", "Use 2 to 40 lower-case letters, digits and hyphens, beginning with a letter."
)


class Tenant(TenantMixin):
    """A shop. Its data live in a PostgreSQL schema of its own."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    auto_create_schema = False  # tenants.provisioning does it, and undoes it when it fails

    slug = models.CharField(max_length=40, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default="EUR", validators=[RegexValidator(r"^[A-Z]{3}\Z")])
    timezone = models.CharField(max_length=64, default="UTC")
    locale = models.CharField(max_length=16, default="en")
    notice = models.CharField(max_length=200, blank=True, help_text="Shown beside the shop's data, e.g. “simulated”.")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def ref(self) -> TenantRef:
        return TenantRef(self.slug, self.schema_name, self.name, self.currency, self.notice, self.locale)


class Domain(DomainMixin):
    """A host name of a tenant; django-tenants asks for the model, requests are resolved by key or session."""


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by email address."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="Platform operators may use the admin.")
    date_joined = models.DateTimeField(db_default=Now())

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.email


class Membership(models.Model):
    """A person's role in a tenant."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        EDITOR = "editor"
        VIEWER = "viewer"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="one_membership_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.tenant_id}: {self.role}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Neither revoked nor expired at this moment."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at=None)


class ApiKey(models.Model):
    """A key of a tenant; only the keyed digest of its secret is kept."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    key_id = models.CharField(max_length=16, unique=True)
    type = models.CharField(
        max_length=3, choices=[(kind.value, kind.name.replace("_", " ").lower()) for kind in KeyType]
    )
    name = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, help_text="HMAC-SHA256 of the secret, keyed with the server's pepper.")
    allowed_origins = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"rec_{self.type}_{self.key_id}_…"

    @property
    def caller(self) -> Caller:
        suspended = self.tenant.status == Tenant.Status.SUSPENDED
        origins = tuple(self.allowed_origins)
        return Caller(self.tenant.ref, self.key_id, KeyType(self.type), origins, suspended, self.expires_at)
