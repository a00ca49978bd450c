from django.urls import path

from recommendations.api import experiments, models, placements, recommendations, rules, served, strategies

urlpatterns = [
    path("recommendations", recommendations.RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/batch", recommendations.RecommendationsBatchView.as_view(), name="recommendations-batch"),
    path("recommendations/<str:recommendation_id>", served.ServedView.as_view(), name="served"),
    path("placements", placements.PlacementsView.as_view(), name="placements"),
    path("placements/<str:key>", placements.PlacementView.as_view(), name="placement"),
    path("placements/<str:key>/versions", placements.PlacementVersionsView.as_view(), name="placement-versions"),
    path("experiments/<str:key>/start", experiments.StartView.as_view(), name="experiment-start"),
    path("rules", rules.RulesView.as_view(), name="rules"),
    path("rules/preview", rules.RulePreviewView.as_view(), name="rules-preview"),
    path("rules/<str:key>", rules.RuleView.as_view(), name="rule"),
    path("strategies", strategies.StrategiesView.as_view(), name="strategies"),
    path("strategies/<str:key>", strategies.StrategyView.as_view(), name="strategy"),
    path("models", models.ModelsView.as_view(), name="models"),
    path("models/train", models.TrainView.as_view(), name="models-train"),
    path("models/schedule", models.ScheduleView.as_view(), name="models-schedule"),
    path("models/<str:version>", models.ModelView.as_view(), name="model"),
    path("models/<str:version>/publish", models.PublishView.as_view(), name="model-publish"),
    path("models/<str:version>/rollback", models.RollbackView.as_view(), name="model-rollback"),
]
