from django.urls import path

from catalog import dashboard

urlpatterns = [
    path("catalog/", dashboard.browse, name="catalogue"),
    path("catalog/export/<str:format>", dashboard.browse, name="catalogue-export"),
    path("catalog/import/", dashboard.browse, name="catalogue-import"),
    path("catalog/imports/", dashboard.browse, name="catalogue-imports"),
    path("catalog/sources/", dashboard.browse, name="catalogue-sources"),
]
