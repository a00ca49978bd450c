from django.urls import include, path
from django.views.generic import RedirectView

from tenants import account_pages, dashboard

urlpatterns = [
    path("login/", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("account/", account_pages.account, name="account"),
    path("account/signup/", account_pages.sign_up_page, name="account_signup"),
    path("account/sessions/", account_pages.sessions_page, name="account_sessions"),
    path("account/send-verification/", account_pages.send_verification, name="account_send_verification"),
    path("account/", include("allauth.account.urls")),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("shops/", dashboard.shops, name="shops"),
    path("shops/switch/", dashboard.switch_shop, name="switch-shop"),
]
