"""The endpoint of the events' health: counts by day, and what was found when they were last judged."""

from collections import Counter
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import event_health
from analytics.findings import KINDS, SEVERITIES, told
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants.authentication import caller_of

DAYS = 7
MAX_DAYS = 90
_GROUPS = {"rejected:": "rejected", "flagged:": "flagged", "refused:": "refused_requests"}
_OWN = {"accepted": "accepted", "duplicate": "duplicates", "content_duplicate": "content_duplicates"}


class CountsSchema(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Of these, `content_duplicates` had no event_id.")
    content_duplicates = serializers.IntegerField()
    rejected = serializers.DictField(child=serializers.IntegerField(), help_text="By code.")
    refused_requests = serializers.DictField(child=serializers.IntegerField(), help_text="Whole requests, by code.")
    flagged = serializers.DictField(child=serializers.IntegerField(), help_text="Accepted ones, by flag.")
    notes = serializers.DictField(child=serializers.IntegerField(), help_text="What was odd and yet accepted.")


class DaySchema(CountsSchema):
    day = serializers.DateField(help_text="UTC.")


class FindingSchema(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=list(KINDS))
    severity = serializers.ChoiceField(choices=list(SEVERITIES))
    title = serializers.CharField()
    advice = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="Of what could have it, 0 to 1.")
    examples = serializers.ListField(child=serializers.CharField())


class EventHealthSchema(serializers.Serializer[Any]):
    total = CountsSchema()
    days = DaySchema(many=True)
    findings = FindingSchema(many=True, help_text="Of the last check, the worst first; empty before the first.")
    checked_at = serializers.DateTimeField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)


class EventHealthView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("days", int, description=f"1 to {MAX_DAYS}, {DAYS} by default.")],
        responses=EventHealthSchema,
    )
    def get(self, request: Request) -> Response:
        """Count what became of events, day by day, and show what the last check (hourly) found."""
        tenant = caller_of(request).tenant
        days = event_health.daily(tenant, _days(request), clock.now())
        health = event_health.last(tenant)
        findings = health.findings if health else []
        return Response(
            {
                "total": as_json(sum(days.values(), Counter())),
                "days": [{"day": day, **as_json(counted)} for day, counted in days.items()],
                "findings": [told(each) | {"title": each.kind.title, "advice": each.kind.advice} for each in findings],
                "checked_at": health.checked_at if health else None,
                "since": health.since if health else None,
            }
        )


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(DAYS))
    if unknown := set(request.query_params) - {"days"}:
        raise DomainError("unknown_parameter", f"There is no parameter {', '.join(sorted(unknown))}.")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_DAYS):
        raise DomainError("invalid", f"`days` is a number from 1 to {MAX_DAYS}.")
    return int(text)


def as_json(counted: Counter[str]) -> dict[str, Any]:
    """Tallies as the API shows them."""
    shown: dict[str, Any] = {title: counted[name] for name, title in _OWN.items()}
    groups: dict[str, dict[str, int]] = {title: {} for title in [*_GROUPS.values(), "notes"]}
    for name, count in sorted(counted.items()):
        prefix, colon, rest = name.partition(":")
        if prefix + colon in _GROUPS:
            groups[_GROUPS[prefix + colon]][rest] = count
        elif name not in _OWN:
            groups["notes"][name] = count
    return shown | groups
