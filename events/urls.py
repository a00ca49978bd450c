from django.urls import path

from events import api

urlpatterns = [
    path("events", api.EventsView.as_view(), name="events"),
    path("events/batch", api.EventBatchView.as_view(), name="events-batch"),
]
