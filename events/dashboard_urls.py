from django.urls import path

from events.dashboard import browse, imports, live, privacy

urlpatterns = [
    path("events/", browse.page, name="event-list"),
    path("events/export/<str:format>/", browse.export, name="event-export"),
    path("events/import/", imports.new, name="event-import-new"),
    path("events/imports/", imports.history, name="event-imports"),
    path("events/imports/<int:import_id>/", imports.one, name="event-import-run"),
    path("events/imports/<int:import_id>/errors.csv", imports.errors, name="event-import-errors"),
    path("events/imports/<int:import_id>/cancel/", imports.cancel, name="event-import-cancel"),
    path("events/imports/<int:import_id>/resume/", imports.resume, name="event-import-resume"),
    path("events/live/", live.page, name="event-live"),
    path("events/live/token/", live.token, name="event-live-token"),
    path("privacy/", privacy.page, name="privacy"),
    path("privacy/export/", privacy.export, name="privacy-export"),
    path("privacy/erase/", privacy.erase, name="privacy-erase"),
]
