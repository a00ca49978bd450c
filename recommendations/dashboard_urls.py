from django.urls import path

from recommendations import dashboard, model_pages, placement_pages, product_page, rule_pages

urlpatterns = [
    path("previewer/", dashboard.previewer, name="previewer"),
    path("previewer/search/", dashboard.search, name="previewer-search"),
    path("models/", model_pages.history, name="model-list"),
    path("models/train/", model_pages.train, name="model-train"),
    path("models/<str:version>/", model_pages.one, name="model-run"),
    path("models/<str:version>/publish/", model_pages.publish, name="model-publish-anyway"),
    path("models/<str:version>/roll-back/", model_pages.roll_back, name="model-roll-back"),
    path("placements/", placement_pages.page, name="placement-list"),
    path("placements/new/", placement_pages.new, name="placement-new"),
    path("placements/edit/<str:key>/", placement_pages.edit, name="placement-edit"),
    path("placements/delete/<str:key>/", placement_pages.delete, name="placement-delete"),
    path("placements/versions/<str:key>/", placement_pages.versions, name="placement-versions-page"),
    path("placements/versions/<str:key>/<int:number>/restore/", placement_pages.restore, name="placement-restore"),
    path("rules/", rule_pages.listed, name="rule-list"),
    path("rules/new/", rule_pages.new, name="rule-new"),
    path("rules/preview/", rule_pages.look, name="rule-preview"),
    path("rules/<str:key>/edit/", rule_pages.edit, name="rule-edit"),
    path("rules/<str:key>/switch/", rule_pages.switch, name="rule-switch"),
    path("rules/<str:key>/delete/", rule_pages.delete, name="rule-delete"),
    path("catalog/items/<path:item_id>/", product_page.page, name="catalogue-product"),
]
