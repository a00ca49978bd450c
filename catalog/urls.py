from django.urls import path

from catalog import api, search_api

urlpatterns = [
    path("catalog/search", search_api.SearchView.as_view(), name="search"),
    path("catalog/items", api.ItemsView.as_view(), name="items"),
    path("catalog/items/batch", api.ItemBatchView.as_view(), {"item_id": "batch"}, name="items-batch"),
    path("catalog/items/<path:item_id>", api.ItemView.as_view(), name="item"),
]
