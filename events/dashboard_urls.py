from django.urls import path

from events.dashboard import browse, live, privacy

urlpatterns = [
    path("events/", browse.page, name="event-list"),
    path("events/live/", live.page, name="event-live"),
    path("events/live/token/", live.token, name="event-live-token"),
    path("privacy/", privacy.page, name="privacy"),
    path("privacy/export/", privacy.export, name="privacy-export"),
    path("privacy/erase/", privacy.erase, name="privacy-erase"),
]
