from django.urls import path

from experiments import api

urlpatterns = [
    path("experiments", api.ExperimentsView.as_view(), name="experiments"),
    path("experiments/<str:key>", api.ExperimentView.as_view(), name="experiment"),
    path("experiments/<str:key>/pause", api.PauseView.as_view(), name="experiment-pause"),
]
