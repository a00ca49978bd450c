from django.urls import path

from events.dashboard import browse, live

urlpatterns = [
    path("events/", browse.page, name="event-list"),
    path("events/live/", live.page, name="event-live"),
    path("events/live/token/", live.token, name="event-live-token"),
]
