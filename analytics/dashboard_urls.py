from django.urls import path

from analytics import dashboard, health_pages, quality_pages

urlpatterns = [
    path("", dashboard.overview_page, name="overview"),
    path("catalog/quality/", quality_pages.report, name="catalogue-quality"),
    path("catalog/quality/check/", quality_pages.check, name="catalogue-quality-check"),
    path("catalog/quality/unknown_item/", quality_pages.unknown, name="catalogue-quality-unknown"),
    path("catalog/quality/<str:code>/", quality_pages.issue, name="catalogue-quality-issue"),
    path("events/health/", health_pages.report, name="event-health"),
    path("events/health/check/", health_pages.check, name="event-health-check"),
    path("events/health/counts.csv", health_pages.counts, name="event-health-counts"),
]
