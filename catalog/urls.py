from django.urls import path

from catalog.api import export, imports, items, search, sources

urlpatterns = [
    path("catalog/search", search.SearchView.as_view(), name="search"),
    path("catalog/items", items.ItemsView.as_view(), name="items"),
    path("catalog/items/batch", items.ItemBatchView.as_view(), {"item_id": "batch"}, name="items-batch"),
    path("catalog/items/<path:item_id>", items.ItemView.as_view(), name="item"),
    path("catalog/imports", imports.ImportsView.as_view(), name="imports"),
    path("catalog/imports/preview", imports.PreviewView.as_view(), name="imports-preview"),
    path("catalog/imports/<int:import_id>", imports.ImportView.as_view(), name="import"),
    path("catalog/imports/<int:import_id>/cancel", imports.CancelView.as_view(), name="import-cancel"),
    path("catalog/imports/<int:import_id>/resume", imports.ResumeView.as_view(), name="import-resume"),
    path("catalog/imports/<int:import_id>/errors", imports.ErrorsView.as_view(), name="import-errors"),
    path("catalog/imports/<int:import_id>/errors.csv", imports.ErrorsFileView.as_view(), name="import-errors-csv"),
    path("catalog/sources", sources.SourcesView.as_view(), name="sources"),
    path("catalog/sources/<str:key>", sources.SourceView.as_view(), name="source"),
    path("catalog/sources/<str:key>/run", sources.SourceRunView.as_view(), name="source-run"),
    path("catalog/export", export.ExportView.as_view(), name="export"),
]
