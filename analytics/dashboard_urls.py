from django.urls import path

from analytics import dashboard, quality_pages

urlpatterns = [
    path("", dashboard.overview_page, name="overview"),
    path("catalog/quality/", quality_pages.report, name="catalogue-quality"),
    path("catalog/quality/check/", quality_pages.check, name="catalogue-quality-check"),
    path("catalog/quality/unknown_item/", quality_pages.unknown, name="catalogue-quality-unknown"),
    path("catalog/quality/<str:code>/", quality_pages.issue, name="catalogue-quality-issue"),
]
