from django.urls import path

from catalog.api import items

urlpatterns = [
    path("catalog/items", items.ItemsView.as_view(), name="items"),
    path("catalog/items/batch", items.ItemBatchView.as_view(), name="items-batch"),
    path("catalog/items/<path:item_id>", items.ItemView.as_view(), name="item"),
]
