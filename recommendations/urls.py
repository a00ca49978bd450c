from django.urls import path

from recommendations import api, strategies_api

urlpatterns = [
    path("recommendations", api.RecommendationsView.as_view(), name="recommendations"),
    path("placements", api.PlacementsView.as_view(), name="placements"),
    path("placements/<str:key>", api.PlacementView.as_view(), name="placement"),
    path("strategies", strategies_api.StrategiesView.as_view(), name="strategies"),
    path("strategies/<str:key>", strategies_api.StrategyView.as_view(), name="strategy"),
    path("models", api.ModelsView.as_view(), name="models"),
    path("models/train", api.TrainView.as_view(), name="models-train"),
]
