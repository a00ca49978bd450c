"""The live stream's place in the schema (`events.live_stream` serves it)."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from events.live_entries import OUTCOMES
from events.live_stream import AT_ONCE, LONGEST, RECENT
from recomengine.lib.api import HotEndpoint

_PARAMETERS = [
    OpenApiParameter("visitor_id", str),
    OpenApiParameter("outcome", str, description=f"One or more, with commas, of {', '.join(OUTCOMES)}."),
    OpenApiParameter("type", str),
    OpenApiParameter("seconds", int, description=f"How long at most, 0 to {LONGEST}; 0: what is there, and no more."),
    OpenApiParameter("recent", int, description=f"Requests to begin with, 0 to {AT_ONCE}; {RECENT} by default."),
    OpenApiParameter("last_event_id", str, description="Go on after that event; also as the header Last-Event-ID."),
    OpenApiParameter("token", str, description="What the dashboard gives its own page, in place of a key."),
]


class EventStreamView(HotEndpoint):
    @extend_schema(parameters=_PARAMETERS, responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request) -> Response:
        """Watch events come in, accepted and rejected ones with the reason, as server-sent events."""
        return self.handle(request)
