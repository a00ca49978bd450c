"""Accounts for the API: registration, and tokens for people."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recomengine.lib.decoding import parse_json
from recomengine.lib.fields import NO_NUL
from tenants import actors, people, tokens
from tenants.api.keys import NewKeySchema, new_key
from tenants.api.tenants import NewTenantIn, NewTenantSchema, TenantSchema, shown
from tenants.authentication import IsPerson, PersonAuthentication, person_of
from tenants.models import Membership, User
from tenants.signup import sign_up
from tenants.types import Role

Email = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=254)]
Password = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=200)]


class RegisterIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    email: Email
    password: Password
    name: Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=120)] = ""
    tenant: NewTenantIn | None = None


class LoginIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    email: Email
    password: Password
    code: Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=40)] = ""


class RefreshIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    refresh: Annotated[str, msgspec.Meta(max_length=4096)]


class RegisterSchema(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=200)
    name = serializers.CharField(required=False, max_length=120)
    tenant = NewTenantSchema(required=False, allow_null=True, help_text="The shop to open with the account.")


class LoginSchema(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=200)
    code = serializers.CharField(required=False, help_text="Of the second factor, or a recovery code.")


class RefreshSchema(serializers.Serializer[Any]):
    refresh = serializers.CharField()


class TokensSchema(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Goes into Authorization: Bearer; good for 15 minutes.")
    refresh = serializers.CharField(help_text="For `auth/refresh`, once; good for 7 days.")


class MembershipSchema(serializers.Serializer[Any]):
    tenant = serializers.CharField(help_text="The tenant's slug, as X-Tenant names it.")
    name = serializers.CharField()
    status = serializers.CharField()
    role = serializers.ChoiceField(choices=[str(role) for role in Role])


class PersonSchema(serializers.Serializer[Any]):
    """Who is logged in, and which tenants are open to her."""

    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    email_verified = serializers.BooleanField()
    second_factor = serializers.BooleanField()
    is_staff = serializers.BooleanField()
    tenants = MembershipSchema(many=True)


class RegisteredSchema(TokensSchema):
    person = PersonSchema()
    tenant = TenantSchema(allow_null=True)
    api_keys = NewKeySchema(many=True, help_text="Shown now and never again.")


class RegisterView(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=RegisterSchema, responses={201: RegisteredSchema}, auth=[])
    def post(self, request: Request) -> Response:
        """Make an account, and if `tenant` is given a shop with a first key of each type."""
        sent = parse_json(request.body, RegisterIn)
        by = actors.of_person(request._request, sent.email)
        shop = sent.tenant.new() if sent.tenant else None
        done = sign_up(request._request, sent.email, sent.password, sent.name, shop, by=by)
        pair = tokens.issue(done.user)
        answer = {
            **pair._asdict(),
            "person": person(done.user),
            "tenant": shown(done.tenant) if done.tenant else None,
            "api_keys": [new_key(token) for token in done.keys.values()],
        }
        return Response(answer, status=201)


class LoginView(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=LoginSchema, responses=TokensSchema, auth=[])
    def post(self, request: Request) -> Response:
        """Get tokens for an email address, a password and, where there is one, a second factor."""
        sent = parse_json(request.body, LoginIn)
        _, pair = tokens.log_in(request._request, sent.email, sent.password, sent.code)
        return Response(pair._asdict())


class RefreshView(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=RefreshSchema, responses=TokensSchema, auth=[])
    def post(self, request: Request) -> Response:
        """Get new tokens for a refresh token; it is spent by that, and one that comes twice ends the login."""
        return Response(tokens.renew(parse_json(request.body, RefreshIn).refresh)._asdict())


class LogoutView(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(request=RefreshSchema, responses={204: OpenApiResponse(description="Logged out.")}, auth=[])
    def post(self, request: Request) -> Response:
        """End the login of a refresh token: its access tokens are refused from now on as well."""
        tokens.log_out(parse_json(request.body, RefreshIn).refresh)
        return Response(status=204)


class MeView(APIView):
    authentication_classes = [PersonAuthentication]
    permission_classes = [IsPerson]

    @extend_schema(responses=PersonSchema)
    def get(self, request: Request) -> Response:
        """Read who is logged in, and which tenants are open to her."""
        return Response(person(person_of(request)))


def person(user: User) -> dict[str, Any]:
    memberships = Membership.objects.filter(user=user, tenant__in=people.open_to(user)).select_related("tenant")
    return {
        "email": user.email,
        "name": user.name,
        "email_verified": people.is_verified(user),
        "second_factor": people.has_second_factor(user),
        "is_staff": user.is_staff,
        "tenants": [
            {"tenant": each.tenant.slug, "name": each.tenant.name, "status": each.tenant.status, "role": each.role}
            for each in memberships.order_by("tenant__slug")
        ],
    }
