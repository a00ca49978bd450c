from django.urls import path

from recommendations import dashboard

urlpatterns = [
    path("previewer/", dashboard.previewer, name="previewer"),
    path("previewer/search/", dashboard.search, name="previewer-search"),
]
