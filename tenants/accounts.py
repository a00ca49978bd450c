"""What allauth asks us about accounts: who may come in, how secrets are kept, and how email leaves."""

from base64 import urlsafe_b64encode
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse

from recomengine.lib.mail import deliver
from tenants.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Logins by the one address of a person, links of the dashboard's own address, and email after the commit."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "That email address and password do not belong together. "
        "The password is case-sensitive.",
        "too_many_login_attempts": "Too many attempts for this account. Wait ten minutes, or reset the password.",
        "incorrect_password": "That is not your password.",
        "enter_current_password": "That is not your current password.",
        "incorrect_code": "That code is not right, or was used already.",
        "duplicate_email": "That is your address already.",
        "rate_limited": "Too many attempts. Wait a moment.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP_OPEN or request.session.get("account_verified_email"))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person, unless her account is closed, or the address is one that she has not verified as hers yet."""
        user = super().authenticate(request, **credentials)
        email = str(credentials.get("email", "")).strip().lower()
        return user if user is not None and user.is_active and user.email.lower() == email else None

    def reauthenticate(self, user: User, password: str) -> bool:
        found = self.authenticate(context.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """One form that asks for every factor; a code alone is not enough."""
        methods = super().get_reauthentication_methods(user)
        return [each for each in methods if each["id"] == "reauthenticate"]

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            messages.error(request, f"{email_address.email} belongs to another account.")
            return False

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmation) -> str:
        return on_dashboard(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def get_reset_password_from_key_url(self, key: str) -> str:
        user, _, token = key.partition("-")
        return on_dashboard(reverse("account_reset_password_from_key", kwargs={"uidb36": user, "key": token}))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        values = {"email": email, "dashboard_url": on_dashboard(""), **context}
        message = self.render_mail(template_prefix, email, values)
        deliver(message.send, self._not_sent)

    def _not_sent(self) -> None:
        request = context.request
        if request is not None and not request.path.startswith("/api/"):
            messages.error(request, "The email could not be sent: our mail server is away. Try again in a while.")

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """One count of wrong passwords for an address, under whatever host name and port they are tried."""
        return str(credentials.get("email", credentials.get("username", ""))).strip().lower()


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seeds and recovery codes are encrypted: who reads the database alone signs in as nobody."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is not right, or was used already.",
        "unverified_email": "Verify your email address first: it is how you get back in if you lose your device.",
        "add_email_blocked": "Turn off your second factor first; set it up again with the new address.",
    }

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _fernet().decrypt(encrypted_text.encode()).decode()


def on_dashboard(path: str) -> str:
    """The public address of a page, whatever host name a request came to."""
    return str(settings.DASHBOARD_URL).rstrip("/") + path


def _fernet() -> MultiFernet:
    """Encrypts under the current secret, and reads what was encrypted under former ones."""
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in settings.SECOND_FACTOR_KEYS])
