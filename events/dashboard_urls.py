from django.urls import path

from events import privacy_pages

urlpatterns = [
    path("privacy/", privacy_pages.page, name="privacy"),
    path("privacy/export/", privacy_pages.export, name="privacy-export"),
    path("privacy/erase/", privacy_pages.erase, name="privacy-erase"),
]
