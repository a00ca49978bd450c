from django.urls import path

from recommendations.dashboard import models, placements, preview, product, rules

urlpatterns = [
    path("previewer/", preview.previewer, name="previewer"),
    path("previewer/search/", preview.search, name="previewer-search"),
    path("models/", models.history, name="model-list"),
    path("models/train/", models.train, name="model-train"),
    path("models/<str:version>/", models.one, name="model-run"),
    path("models/<str:version>/publish/", models.publish, name="model-publish-anyway"),
    path("models/<str:version>/roll-back/", models.roll_back, name="model-roll-back"),
    path("placements/", placements.page, name="placement-list"),
    path("placements/new/", placements.new, name="placement-new"),
    path("placements/edit/<str:key>/", placements.edit, name="placement-edit"),
    path("placements/delete/<str:key>/", placements.delete, name="placement-delete"),
    path("placements/versions/<str:key>/", placements.versions, name="placement-versions-page"),
    path("placements/versions/<str:key>/<int:number>/restore/", placements.restore, name="placement-restore"),
    path("rules/", rules.listed, name="rule-list"),
    path("rules/new/", rules.new, name="rule-new"),
    path("rules/preview/", rules.look, name="rule-preview"),
    path("rules/<str:key>/edit/", rules.edit, name="rule-edit"),
    path("rules/<str:key>/switch/", rules.switch, name="rule-switch"),
    path("rules/<str:key>/delete/", rules.delete, name="rule-delete"),
    path("catalog/items/<path:item_id>/", product.page, name="catalogue-product"),
]
