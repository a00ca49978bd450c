from django.urls import path

from recommendations import dashboard, product_page

urlpatterns = [
    path("previewer/", dashboard.previewer, name="previewer"),
    path("previewer/search/", dashboard.search, name="previewer-search"),
    path("catalog/items/<path:item_id>/", product_page.page, name="catalogue-product"),
]
