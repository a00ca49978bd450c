from django.urls import path

from events.api import events, stream

urlpatterns = [
    path("events", events.EventsView.as_view(), name="events"),
    path("events/batch", events.EventBatchView.as_view(), name="events-batch"),
    path("events/stream", stream.EventStreamView.as_view(), name="events-stream"),
]
