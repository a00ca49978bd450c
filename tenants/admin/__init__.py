"""The operators' admin of everything in the public schema."""

from importlib import import_module

from django.contrib import admin

for library in (
    "django.contrib.auth", "allauth.account", "allauth.mfa", "allauth.usersessions",
    "rest_framework_simplejwt.token_blacklist",
):  # fmt: skip
    import_module(f"{library}.admin")  # before ours, which replace its pages

from tenants.admin import home, log, people, shops  # noqa: E402

__all__ = ["home", "people", "shops"]

log.show_the_rest()
admin.site.index_template = "admin/home.html"
