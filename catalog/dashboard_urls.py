from django.urls import path

from catalog import dashboard

urlpatterns = [
    path("catalog/", dashboard.browse, name="catalogue"),
]
