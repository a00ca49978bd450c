"""The endpoints of tenants: people and keys see those open to them, staff all."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.api import CursorPages, PageSchema
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError
from recomengine.lib.fields import NO_NUL
from tenants import changing, directory, people, provisioning, quotas
from tenants.api.keys import NewKeySchema, new_key
from tenants.authentication import AnyAuthentication, IsKnown, actor_of, person_of
from tenants.models import Tenant, TenantQuerySet, User
from tenants.plans import BY_OPERATORS, PLANS
from tenants.provisioning import NewTenant
from tenants.types import BUILT_IN_EVENT_TYPES, Caller, Scope

Name = Annotated[str, msgspec.Meta(pattern=NO_NUL, min_length=1, max_length=120)]
Short = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=64)]
Origins = Annotated[list[Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=200)]], msgspec.Meta(max_length=50)]


Types = Annotated[list[Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=64)]], msgspec.Meta(max_length=50)]
Days = Annotated[int, msgspec.Meta(ge=30, le=3660)]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=10_080)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class NewTenantIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    slug: Short = ""
    currency: Short = "EUR"
    timezone: Short = "UTC"
    locale: Short = "en"
    allowed_origins: Origins = []

    def new(self) -> NewTenant:
        fields = (self.name, self.slug, self.currency, self.timezone, self.locale)
        return NewTenant(*fields, tuple(self.allowed_origins))


class TenantIn(NewTenantIn, forbid_unknown_fields=True, kw_only=True):
    plan: Short | None = None


class TenantChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | msgspec.UnsetType = msgspec.UNSET
    currency: Short | msgspec.UnsetType = msgspec.UNSET
    timezone: Short | msgspec.UnsetType = msgspec.UNSET
    locale: Short | msgspec.UnsetType = msgspec.UNSET
    allowed_origins: Origins | msgspec.UnsetType = msgspec.UNSET
    requires_second_factor: bool | msgspec.UnsetType = msgspec.UNSET
    event_retention_days: Days | msgspec.UnsetType = msgspec.UNSET
    event_types: Types | msgspec.UnsetType = msgspec.UNSET
    training_every: Minutes | msgspec.UnsetType = msgspec.UNSET
    serving_log_share: Share | msgspec.UnsetType = msgspec.UNSET
    plan: Short | msgspec.UnsetType = msgspec.UNSET
    notice: Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=200)] | msgspec.UnsetType = msgspec.UNSET


class UsageSchema(serializers.Serializer[Any]):
    events = serializers.IntegerField(help_text="Accepted in the current month (UTC).")
    events_per_month = serializers.IntegerField(allow_null=True, help_text="Of the plan; null means unlimited.")
    requests_per_second = serializers.IntegerField(allow_null=True)
    warning = serializers.BooleanField(help_text="At least 80 % of the month's events are used.")


class TenantSchema(serializers.Serializer[Any]):
    """A tenant as those see it to whom it is open."""

    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Tenant.Status.choices)
    plan = serializers.ChoiceField(choices=list(PLANS))
    currency = serializers.CharField()
    timezone = serializers.CharField()
    locale = serializers.CharField()
    notice = serializers.CharField(allow_blank=True)
    allowed_origins = serializers.ListField(child=serializers.CharField())
    requires_second_factor = serializers.BooleanField()
    event_retention_days = serializers.IntegerField(help_text="How long events are kept; 30 to 3660.")
    event_types = serializers.ListField(
        child=serializers.CharField(), help_text="The shop's own types of events, beside the built-in ones."
    )
    training_every = serializers.IntegerField(help_text="Minutes between trainings by the clock; 0: none.")
    serving_log_share = serializers.FloatField(help_text="Share of the visitors whose slates are logged.")
    built_in_event_types = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    usage = UsageSchema()


class TenantPageSchema(PageSchema):
    results = TenantSchema(many=True)


class CreatedTenantSchema(TenantSchema):
    api_keys = NewKeySchema(many=True, help_text="Shown now and never again.")


class NewTenantSchema(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    slug = serializers.CharField(required=False, max_length=40, help_text="Made from the name if there is none.")
    currency = serializers.CharField(required=False, help_text="ISO 4217; EUR by default.")
    timezone = serializers.CharField(required=False, help_text="As in the IANA database; UTC by default.")
    locale = serializers.CharField(required=False, help_text="A language tag; en by default.")
    allowed_origins = serializers.ListField(child=serializers.CharField(), required=False)


class NewTenantWithPlanSchema(NewTenantSchema):
    plan = serializers.ChoiceField(choices=list(PLANS), required=False, help_text="By staff only.")


class TenantChangesSchema(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, max_length=120)
    currency = serializers.CharField(required=False)
    timezone = serializers.CharField(required=False)
    locale = serializers.CharField(required=False)
    allowed_origins = serializers.ListField(child=serializers.CharField(), required=False)
    requires_second_factor = serializers.BooleanField(required=False)
    event_retention_days = serializers.IntegerField(
        required=False, min_value=30, max_value=3660, help_text="Older events are deleted within a day."
    )
    event_types = serializers.ListField(
        child=serializers.CharField(), required=False, max_length=50, help_text="Beside the built-in types."
    )
    training_every = serializers.IntegerField(
        required=False, min_value=0, max_value=10_080,
        help_text="Minutes between trainings, if there is new data: 10 to 10,080, or 0 for none by the clock.",
    )  # fmt: skip
    serving_log_share = serializers.FloatField(
        required=False, min_value=0, max_value=1,
        help_text="Share of the visitors whose slates are logged; those of an experiment always are.",
    )  # fmt: skip
    plan = serializers.ChoiceField(choices=list(PLANS), required=False, help_text="By staff only.")
    notice = serializers.CharField(required=False, allow_blank=True, help_text="By staff only.")


class _TenantsView(APIView):
    authentication_classes = [AnyAuthentication]
    permission_classes = [IsKnown]


class TenantsView(_TenantsView):
    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="Part of the name or the slug."),
            OpenApiParameter("status", str, enum=Tenant.Status.values),
            OpenApiParameter("limit", int),
            OpenApiParameter("cursor", str),
        ],
        responses=TenantPageSchema,
        operation_id="tenants_list",
    )
    def get(self, request: Request) -> Response:
        """List the tenants that are open to the caller, newest first; staff find deleted ones by their status."""
        pages = CursorPages()
        page = pages.paginate_queryset(_searched(request), request, view=self)
        used = quotas.events_now(page)
        return pages.get_paginated_response([shown_with(*each) for each in zip(page, used, strict=True)])

    @extend_schema(request=NewTenantWithPlanSchema, responses={201: CreatedTenantSchema})
    def post(self, request: Request) -> Response:
        """Create a tenant with a first key of each type; whoever does so is its owner, unless it is staff."""
        if isinstance(request.auth, Caller):
            raise DomainError("forbidden", f"{request.auth.title} may not do that; log in as a person.")
        sent, person = parse_json(request.body, TenantIn), person_of(request)
        if sent.plan is not None and not person.is_staff:
            raise DomainError("forbidden", "Plans are given by the platform's staff.")
        if person.is_staff:
            tenant, made = provisioning.open_for_others(sent.new(), sent.plan or BY_OPERATORS, by=actor_of(request))
        else:
            tenant, made = provisioning.open_shop(person, sent.new(), by=actor_of(request))
        return Response({**shown(tenant), "api_keys": [new_key(token) for token in made.values()]}, status=201)


class TenantView(_TenantsView):
    @extend_schema(responses=TenantSchema)
    def get(self, request: Request, slug: str) -> Response:
        """Read a tenant, its status and usage; a suspended one too."""
        tenant = _open(request, slug)
        _require(request, tenant, Scope.READ, also_suspended=True)
        return Response(shown(tenant))

    @extend_schema(request=TenantChangesSchema, responses=TenantSchema)
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings; they hold everywhere within a second."""
        tenant = _open(request, slug)
        _require(request, tenant, Scope.MANAGE)
        sent = msgspec.to_builtins(parse_json(request.body, TenantChanges))
        for_staff = sorted(set(sent) - set(changing.SETTINGS))
        if for_staff and not person_of(request).is_staff:
            raise DomainError("forbidden", f"Only the platform's staff changes {' and '.join(for_staff)}.")
        return Response(shown(changing.edit_tenant(tenant, sent, by=actor_of(request))))

    @extend_schema(responses={204: OpenApiResponse(description="It is gone, and purged after 30 days.")})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete a tenant: it is gone for its people and keys at once, and staff can bring it back for 30 days."""
        tenant = _open(request, slug)
        _require(request, tenant, Scope.OWN)
        changing.delete_tenant(tenant, by=actor_of(request))
        return Response(status=204)


class ActivationView(_TenantsView):
    @extend_schema(request=None, responses=TenantSchema)
    def post(self, request: Request, slug: str) -> Response:
        """Open a suspended tenant again, or a deleted one that is not purged yet; by staff only."""
        return Response(shown(changing.activate_tenant(_for_staff(request, slug), by=actor_of(request))))


class SuspensionView(_TenantsView):
    @extend_schema(request=None, responses=TenantSchema)
    def post(self, request: Request, slug: str) -> Response:
        """Shut a tenant: keys and pages are refused within a second, nothing is deleted; by staff only."""
        return Response(shown(changing.suspend_tenant(_for_staff(request, slug), by=actor_of(request))))


def _visible(request: Request) -> TenantQuerySet:
    """A key's tenant; those open to a person; all, deleted ones too, to staff."""
    if isinstance(request.auth, Caller):
        return Tenant.objects.existing().filter(slug=request.auth.tenant.slug)
    person = person_of(request)
    return Tenant.objects.all() if person.is_staff else people.open_to(person)


def _searched(request: Request) -> TenantQuerySet:
    params = request.query_params
    unknown = set(params) - {"q", "status", "limit", "cursor", "key"}
    if unknown:
        raise DomainError("unknown_parameter", f"There is no parameter {', '.join(sorted(unknown))}.")
    status, words = params.get("status"), params.get("q", "").replace("\x00", "")
    if status is not None and status not in Tenant.Status.values:
        raise DomainError("invalid", f"`status` is one of {', '.join(Tenant.Status.values)}.")
    found = _visible(request)
    _require_scope(request, Scope.READ)
    found = found.filter(status=status) if status else found.existing()
    return found.matching(words)


def _open(request: Request, slug: str) -> Tenant:
    return directory.get_model(slug, _visible(request))


def _for_staff(request: Request, slug: str) -> Tenant:
    tenant = _open(request, slug)
    if isinstance(request.user, User) and request.user.is_staff:
        return tenant
    if tenant.status == Tenant.Status.SUSPENDED:
        raise DomainError("tenant_suspended")
    raise DomainError("forbidden", "Only the platform's staff may do that.")


def _require(request: Request, tenant: Tenant, scope: Scope, *, also_suspended: bool = False) -> None:
    """The caller's scope in a tenant that is open to it."""
    caller = request.auth if isinstance(request.auth, Caller) else people.caller_in(person_of(request), tenant)
    if caller.suspended and not also_suspended and not getattr(request.user, "is_staff", False):
        raise DomainError("tenant_suspended")
    if not caller.allows(scope):
        raise DomainError("forbidden", f"{caller.title} may not do that.")


def _require_scope(request: Request, scope: Scope) -> None:
    if isinstance(request.auth, Caller) and not request.auth.allows(scope):
        raise DomainError("forbidden", f"{request.auth.title} may not do that.")


def shown(tenant: Tenant) -> dict[str, Any]:
    return shown_with(tenant, *quotas.events_now([tenant]))


def shown_with(tenant: Tenant, events: int) -> dict[str, Any]:
    """A tenant as JSON-ready data, with the events that it has sent this month."""
    names = (
        "slug", "name", "status", "plan", "currency", "timezone", "locale", "notice", "allowed_origins",
        "requires_second_factor", "event_retention_days", "event_types", "training_every", "serving_log_share",
        "created_at",
    )  # fmt: skip
    return {
        **{name: getattr(tenant, name) for name in names},
        "built_in_event_types": list(BUILT_IN_EVENT_TYPES),
        "usage": msgspec.to_builtins(quotas.use_of(tenant, events)),
    }
