from django.urls import path

from widgets import api

urlpatterns = [path("widgets/config", api.ConfigView.as_view(), name="widgets-config")]
