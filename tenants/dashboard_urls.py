from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from tenants import dashboard

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("shops/", dashboard.shops, name="shops"),
    path("shops/switch/", dashboard.switch_shop, name="switch-shop"),
]
