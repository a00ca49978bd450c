from django.urls import include, path

from tenants import dashboard

urlpatterns = [
    path("account/", include("allauth.account.urls")),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("shops/", dashboard.shops, name="shops"),
    path("shops/switch/", dashboard.switch_shop, name="switch-shop"),
]
