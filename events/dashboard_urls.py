from django.urls import path

from events.dashboard import browse, imports

urlpatterns = [
    path("events/", browse.page, name="event-list"),
    path("events/export/<str:format>/", browse.export, name="event-export"),
    path("events/import/", imports.new, name="event-import-new"),
    path("events/imports/", imports.history, name="event-imports"),
    path("events/imports/<int:import_id>/", imports.one, name="event-import-run"),
    path("events/imports/<int:import_id>/errors.csv", imports.errors, name="event-import-errors"),
    path("events/imports/<int:import_id>/cancel/", imports.cancel, name="event-import-cancel"),
    path("events/imports/<int:import_id>/resume/", imports.resume, name="event-import-resume"),
]
