from django.urls import include, path
from django.views.generic import RedirectView

from tenants import account_pages, dashboard
from tenants.shop_pages import audit, invitation, keys, opening, settings, team

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
    path("shops/new/", opening.page, name="new-shop"),
    path("keys/", keys.list_page, name="keys"),
    path("keys/new/", keys.new, name="new-key"),
    path("keys/<str:key_id>/rotate/", keys.rotate, name="rotate-key"),
    path("keys/<str:key_id>/revoke/", keys.revoke, name="revoke-key"),
    path("team/", team.page, name="team"),
    path("team/invite/", team.invite, name="invite"),
    path("team/leave/", team.leave, name="leave-shop"),
    path("team/invitations/<int:invitation>/withdraw/", team.withdraw, name="withdraw-invitation"),
    path("team/<int:member>/role/", team.change_role, name="change-role"),
    path("team/<int:member>/remove/", team.remove, name="remove-member"),
    path("invitations/<str:token>/", invitation.page, name="invitation"),
    path("settings/", settings.page, name="settings"),
    path("settings/second-factor/", settings.second_factor, name="require-second-factor"),
    path("settings/delete/", settings.delete, name="delete-shop"),
    path("audit/", audit.page, name="audit"),
    path("audit/export.csv", audit.export, {"kind": "csv"}, name="audit-csv"),
    path("audit/export.jsonl", audit.export, {"kind": "jsonl"}, name="audit-jsonl"),
]
