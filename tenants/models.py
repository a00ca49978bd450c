"""Tenants, people and keys: everything in the public schema."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django_tenants.models import DomainMixin, TenantMixin

from tenants import plans
from tenants.types import BUILT_IN_EVENT_TYPES, SCOPES, Actor, Caller, KeyType, Role, TenantRef

slug_validator = RegexValidator(
    r"^[a-z][a-z0-9-]{1,39}\Z", "Use 2 to 40 lower-case letters, digits and hyphens, beginning with a letter."
)

origin_validator = RegexValidator(
    r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?)\Z",
    "An origin is a scheme and a host, and a port if it is not the usual one: https://shop.example",
)

LEAST_TRAINING_EVERY, MOST_TRAINING_EVERY = 10, 10_080  # a week
event_type_validator = RegexValidator(
    r"^[a-z][a-z0-9_]{0,31}\Z", "A type of event is 1 to 32 lower-case letters, digits and underscores after a letter."
)


def validate_event_types(types: list[str]) -> None:
    """A shop's own types are none of the built-in ones, and each is named once."""
    for name in types:
        if name in BUILT_IN_EVENT_TYPES:
            raise ValidationError(f"“{name}” is a built-in type, which every shop has.", code="invalid")
        if types.count(name) > 1:
            raise ValidationError(f"“{name}” is there twice.", code="invalid")


@cache
def timezones() -> frozenset[str]:
    """The names of the IANA database, which are read from many files."""
    return frozenset(available_timezones())


def validate_timezone(name: str) -> None:
    if name not in timezones():
        raise ValidationError("Use a name of the IANA time zone database, e.g. Europe/Berlin.", code="invalid")


def validate_training_every(minutes: int) -> None:
    if minutes and not LEAST_TRAINING_EVERY <= minutes <= MOST_TRAINING_EVERY:
        raise ValidationError(
            f"From {LEAST_TRAINING_EVERY} to {MOST_TRAINING_EVERY} minutes, or 0 for none by the clock.", code="invalid"
        )


def origins_field() -> "ArrayField[Any, Any]":
    return ArrayField(
        models.CharField(max_length=200, validators=[origin_validator]), default=list, blank=True, size=50
    )


class TenantQuerySet(models.QuerySet["Tenant"]):
    def existing(self) -> "TenantQuerySet":
        """Those that are not deleted; a deleted one waits to be purged and exists for nobody but the operators."""
        return self.exclude(status=Tenant.Status.DELETED)

    def matching(self, words: str) -> "TenantQuerySet":
        """Those whose name or slug holds the words."""
        return self.filter(models.Q(name__icontains=words) | models.Q(slug__icontains=words)) if words else self


class Tenant(TenantMixin):
    """A shop. Its data live in a PostgreSQL schema of its own."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        DELETED = "deleted"

    auto_create_schema = False  # tenants.provisioning does it, and undoes it when it fails

    slug = models.CharField(max_length=40, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default="EUR", validators=[RegexValidator(r"^[A-Z]{3}\Z")])
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    locale = models.CharField(
        max_length=16,
        default="en",
        validators=[
            RegexValidator(r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?\Z", "Use a language tag, e.g. de or pt-BR.")
        ],
    )
    notice = models.CharField(max_length=200, blank=True, help_text="Shown beside the shop's data, e.g. “simulated”.")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    plan = models.CharField(max_length=16, choices=plans.CHOICES, default=plans.BY_OPERATORS)
    allowed_origins = origins_field()
    requires_second_factor = models.BooleanField(
        default=False, help_text="Members open the shop only with a second factor."
    )
    event_retention_days = models.PositiveSmallIntegerField(
        default=396,
        validators=[MinValueValidator(30), MaxValueValidator(3660)],
        help_text="How long events are kept, counted from when they occurred.",
    )
    event_types = ArrayField(
        models.CharField(max_length=32, validators=[event_type_validator]),
        default=list,
        blank=True,
        size=50,
        validators=[validate_event_types],
        help_text="Types of events beside the built-in ones.",
    )
    training_every = models.PositiveSmallIntegerField(
        default=60,
        db_default=60,
        validators=[validate_training_every],
        help_text="Minutes between trainings of the recommendations, if there is new data; 0: only when asked for.",
    )
    serving_log_share = models.FloatField(
        default=1.0,
        db_default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Share of the visitors whose slates are logged, 0 to 1; those of an experiment always are.",
    )
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def ref(self) -> TenantRef:
        return TenantRef(
            self.slug, self.schema_name, self.name, self.currency, self.notice, self.locale, self.plan,
            self.event_retention_days, tuple(self.event_types), self.training_every,
            self.serving_log_share,
        )  # fmt: skip


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
    login_epoch = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Raised to end every session and token of the person."
    )
    date_joined = models.DateTimeField(db_default=Now())

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.email

    def get_session_auth_hash(self) -> str:
        """What sessions and tokens have to agree with: another password or epoch ends them."""
        return f"{super().get_session_auth_hash()}.{self.login_epoch}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same under former secret keys."""
        return (f"{each}.{self.login_epoch}" for each in super().get_session_auth_fallback_hash())


ROLES = [(role.value, role.value) for role in Role]


class Membership(models.Model):
    """A person's role in a tenant."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=ROLES, default=Role.VIEWER)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="one_membership_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.tenant_id}: {self.role}"


class Invitation(models.Model):
    """An invitation to a tenant, sent by email; only the digest of its token is kept."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=ROLES, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token in the link.")
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint("tenant", Lower("email"), name="one_invitation_per_email")]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant_id}: {self.role}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Neither revoked nor expired at this moment, of a tenant that exists."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at=None).exclude(tenant__status=Tenant.Status.DELETED)


class ApiKey(models.Model):
    """A key of a tenant; only the keyed digest of its secret is kept."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    key_id = models.CharField(max_length=16, unique=True)
    type = models.CharField(
        max_length=3, choices=[(kind.value, kind.name.replace("_", " ").lower()) for kind in KeyType]
    )
    name = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, help_text="HMAC-SHA256 of the secret, keyed with the server's pepper.")
    pepper_id = models.CharField(max_length=8, blank=True, help_text="Which pepper that was; empty: not known.")
    allowed_origins = origins_field()
    requests_per_second = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Its own limit, beside the tenant's."
    )
    made_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="made")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"rec_{self.type}_{self.key_id}_…"

    def status_at(self, moment: datetime) -> str:
        """Whether the key is `active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= moment else "active"

    @property
    def caller(self) -> Caller:
        kind = KeyType(self.type)
        publishable = kind is KeyType.PUBLISHABLE
        return Caller(
            tenant=self.tenant.ref,
            kind=Actor.KEY,
            name=self.key_id,
            title=f"A key of type '{kind}'",
            scopes=SCOPES[kind],
            suspended=self.tenant.status == Tenant.Status.SUSPENDED,
            origins=tuple(self.allowed_origins or self.tenant.allowed_origins) if publishable else None,
            expires_at=self.expires_at,
            requests_per_second=self.requests_per_second,
        )


class Usage(models.Model):
    """The events that a tenant was credited with in a month; Redis counts, this is what is kept of it."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="usage")
    month = models.DateField(help_text="The first day of the month, in UTC.")
    events = models.PositiveBigIntegerField(default=0)
    warned_at = models.FloatField(default=0, help_text="The share of the plan at which the owners were last told.")

    class Meta:
        ordering = ["-month"]
        constraints = [models.UniqueConstraint(fields=["tenant", "month"], name="one_usage_per_month")]

    def __str__(self) -> str:
        return f"{self.tenant_id} in {self.month:%Y-%m}: {self.events}"


class AuditEntry(models.Model):
    """What somebody did: append-only, which a trigger enforces (see the migration).

    It outlives what it is about; `tenant` is therefore no constraint, and ids of tenants are never used again.
    """

    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, null=True, blank=True, related_name="audit_entries"
    )
    at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=16)
    actor = models.CharField(max_length=254)
    address = models.CharField(max_length=45, blank=True, help_text="The IP address it came from.")
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=254)
    before: "models.JSONField[Any, Any]" = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after: "models.JSONField[Any, Any]" = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["tenant", "-id"], name="audit_of_a_tenant"),
            models.Index(fields=["action", "-id"], name="audit_of_an_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id} by {self.actor}"


class SchemaScript(models.Model):
    """The SQL that makes a tenant's schema, recorded from the migrations of one state of the code."""

    fingerprint = models.CharField(max_length=64, primary_key=True)
    sql = models.TextField()
    recorded_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.fingerprint
