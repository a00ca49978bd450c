from django.urls import path

from tenants.api import auth, keys, tenants

urlpatterns = [
    path("auth/register", auth.RegisterView.as_view(), name="auth-register"),
    path("auth/login", auth.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", auth.RefreshView.as_view(), name="auth-refresh"),
    path("auth/logout", auth.LogoutView.as_view(), name="auth-logout"),
    path("auth/me", auth.MeView.as_view(), name="auth-me"),
    path("tenants", tenants.TenantsView.as_view(), name="tenants"),
    path("tenants/<str:slug>", tenants.TenantView.as_view(), name="tenant"),
    path("tenants/<str:slug>/activate", tenants.ActivationView.as_view(), name="tenant-activate"),
    path("tenants/<str:slug>/suspend", tenants.SuspensionView.as_view(), name="tenant-suspend"),
    path("api-keys", keys.KeysView.as_view(), name="api-keys"),
    path("api-keys/<str:key_id>", keys.KeyView.as_view(), name="api-key"),
    path("api-keys/<str:key_id>/rotate", keys.KeyRotationView.as_view(), name="api-key-rotate"),
]
