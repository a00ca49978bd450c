from django.urls import path

from recommendations import api, experiment_start, models_api, rules_api, served_api, strategies_api

urlpatterns = [
    path("recommendations", api.RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/batch", api.RecommendationsBatchView.as_view(), name="recommendations-batch"),
    path("recommendations/<str:recommendation_id>", served_api.ServedView.as_view(), name="served"),
    path("placements", api.PlacementsView.as_view(), name="placements"),
    path("placements/<str:key>", api.PlacementView.as_view(), name="placement"),
    path("placements/<str:key>/versions", api.PlacementVersionsView.as_view(), name="placement-versions"),
    path("experiments/<str:key>/start", experiment_start.StartView.as_view(), name="experiment-start"),
    path("rules", rules_api.RulesView.as_view(), name="rules"),
    path("rules/preview", rules_api.RulePreviewView.as_view(), name="rules-preview"),
    path("rules/<str:key>", rules_api.RuleView.as_view(), name="rule"),
    path("strategies", strategies_api.StrategiesView.as_view(), name="strategies"),
    path("strategies/<str:key>", strategies_api.StrategyView.as_view(), name="strategy"),
    path("models", models_api.ModelsView.as_view(), name="models"),
    path("models/train", models_api.TrainView.as_view(), name="models-train"),
    path("models/schedule", models_api.ScheduleView.as_view(), name="models-schedule"),
    path("models/<str:version>", models_api.ModelView.as_view(), name="model"),
    path("models/<str:version>/publish", models_api.PublishView.as_view(), name="model-publish"),
    path("models/<str:version>/rollback", models_api.RollbackView.as_view(), name="model-rollback"),
]
