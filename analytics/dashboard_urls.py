from django.urls import path

from analytics import dashboard, quality_pages

urlpatterns = [
    path("", dashboard.overview_page, name="overview"),
    path("catalog/quality/", quality_pages.report, name="quality-page"),
    path("catalog/quality/check/", quality_pages.check, name="quality-page-check"),
    path("catalog/quality/unknown_item/", quality_pages.unknown, name="quality-page-unknown"),
    path("catalog/quality/<str:code>/", quality_pages.issue, name="quality-page-issue"),
]
