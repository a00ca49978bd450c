from django.urls import path

from analytics import api, events_api

urlpatterns = [
    path("catalog/quality", api.QualityView.as_view(), name="quality"),
    path("catalog/quality/check", api.QualityCheckView.as_view(), name="quality-check"),
    path("catalog/quality/unknown_item", api.UnknownItemsView.as_view(), name="quality-unknown-items"),
    path("catalog/quality/<str:code>", api.FaultyItemsView.as_view(), name="quality-issue"),
    path("events/health", events_api.EventHealthView.as_view(), name="event-health-report"),
]
