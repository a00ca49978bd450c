from django.urls import path

from analytics import dashboard

urlpatterns = [path("", dashboard.overview_page, name="overview")]
