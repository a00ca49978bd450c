from django.urls import path

from events.api import events, export, imports, privacy, stream

urlpatterns = [
    path("events", events.EventsView.as_view(), name="events"),
    path("events/batch", events.EventBatchView.as_view(), name="events-batch"),
    path("visitors/<path:visitor_id>/export", privacy.VisitorExportView.as_view(), name="visitor-export"),
    path("visitors/<path:visitor_id>", privacy.VisitorView.as_view(), name="visitor"),
    path("erasures/<int:erasure_id>", privacy.ErasureView.as_view(), name="erasure"),
    path("events/stream", stream.EventStreamView.as_view(), name="events-stream"),
    path("events/export", export.ExportView.as_view(), name="events-export"),
    path("events/imports", imports.ImportsView.as_view(), name="event-imports-api"),
    path("events/imports/<int:import_id>", imports.ImportView.as_view(), name="event-import-api"),
    path("events/imports/<int:import_id>/cancel", imports.CancelView.as_view(), name="event-import-api-cancel"),
    path("events/imports/<int:import_id>/resume", imports.ResumeView.as_view(), name="event-import-api-resume"),
    path("events/imports/<int:import_id>/errors", imports.ErrorsView.as_view(), name="event-import-api-errors"),
    path("events/imports/<int:import_id>/errors.csv", imports.ErrorsFileView.as_view(), name="event-import-api-csv"),
]
