from django.urls import path

from catalog.dashboard import browse, runs, sources, wizard

urlpatterns = [
    path("catalog/", browse.page, name="catalogue"),
    path("catalog/export/<str:format>/", browse.export, name="catalogue-export"),
    path("catalog/import/", wizard.choose, name="catalogue-import"),
    path("catalog/import/<str:token>/", wizard.look, name="catalogue-import-draft"),
    path("catalog/imports/", runs.history, name="catalogue-imports"),
    path("catalog/imports/<int:import_id>/", runs.one, name="catalogue-import-run"),
    path("catalog/imports/<int:import_id>/errors.csv", runs.errors, name="catalogue-import-errors"),
    path("catalog/imports/<int:import_id>/cancel/", runs.cancel, name="catalogue-import-cancel"),
    path("catalog/imports/<int:import_id>/resume/", runs.resume, name="catalogue-import-resume"),
    path("catalog/sources/", sources.page, name="catalogue-sources"),
    path("catalog/sources/<str:key>/", sources.edit, name="catalogue-source"),
    path("catalog/sources/<str:key>/run/", sources.run, name="catalogue-source-run"),
    path("catalog/sources/<str:key>/delete/", sources.delete, name="catalogue-source-delete"),
]
