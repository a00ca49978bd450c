from django.urls import path

from events.api import events, privacy, stream

urlpatterns = [
    path("events", events.EventsView.as_view(), name="events"),
    path("events/batch", events.EventBatchView.as_view(), name="events-batch"),
    path("visitors/<path:visitor_id>/export", privacy.VisitorExportView.as_view(), name="visitor-export"),
    path("visitors/<path:visitor_id>", privacy.VisitorView.as_view(), name="visitor"),
    path("erasures/<int:erasure_id>", privacy.ErasureView.as_view(), name="erasure"),
    path("events/stream", stream.EventStreamView.as_view(), name="events-stream"),
]
