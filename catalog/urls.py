from django.urls import path

from catalog import api

urlpatterns = [
    path("catalog/items", api.ItemsView.as_view(), name="items"),
    path("catalog/items/batch", api.ItemBatchView.as_view(), {"item_id": "batch"}, name="items-batch"),
    path("catalog/items/<path:item_id>", api.ItemView.as_view(), name="item"),
]
