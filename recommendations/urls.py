from django.urls import path

from recommendations import api, models_api, strategies_api

urlpatterns = [
    path("recommendations", api.RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/batch", api.RecommendationsBatchView.as_view(), name="recommendations-batch"),
    path("placements", api.PlacementsView.as_view(), name="placements"),
    path("placements/<str:key>", api.PlacementView.as_view(), name="placement"),
    path("strategies", strategies_api.StrategiesView.as_view(), name="strategies"),
    path("strategies/<str:key>", strategies_api.StrategyView.as_view(), name="strategy"),
    path("models", models_api.ModelsView.as_view(), name="models"),
    path("models/train", models_api.TrainView.as_view(), name="models-train"),
    path("models/schedule", models_api.ScheduleView.as_view(), name="models-schedule"),
    path("models/<str:version>", models_api.ModelView.as_view(), name="model"),
    path("models/<str:version>/publish", models_api.PublishView.as_view(), name="model-publish"),
    path("models/<str:version>/rollback", models_api.RollbackView.as_view(), name="model-rollback"),
]
