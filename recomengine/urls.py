"""Every address: the API under /api/v1/, the dashboard at the root, the operators' admin."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from recomengine import health
from widgets import demo, sdk_files

api: list[URLPattern | URLResolver] = [
    path("", include("tenants.urls")),
    path("", include("catalog.urls")),
    path("", include("events.urls")),
    path("", include("experiments.urls")),
    path("", include("recommendations.urls")),
    path("", include("widgets.urls")),
    path("", include("analytics.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("api/v1/", include(api)),
    path("sdk/demo/", demo.page, name="sdk-demo"),
    path("sdk/v1/<str:name>", sdk_files.serve, name="sdk-file"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    path("", include("tenants.dashboard_urls")),
    path("", include("analytics.dashboard_urls")),
    path("", include("catalog.dashboard_urls")),
    path("", include("events.dashboard_urls")),
    path("", include("recommendations.dashboard_urls")),
]

handler400 = "recomengine.refusals.bad_request"
handler403 = "recomengine.refusals.forbidden"
handler404 = "recomengine.refusals.not_found"
handler429 = "recomengine.refusals.too_many"
handler500 = "recomengine.refusals.server_error"
