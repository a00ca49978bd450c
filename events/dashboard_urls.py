from django.urls import path

from events.dashboard import browse

urlpatterns = [
    path("events/", browse.page, name="event-list"),
]
