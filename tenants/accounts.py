"""What allauth asks us about accounts: who may sign up, and how secrets of second factors are kept."""

from base64 import urlsafe_b64encode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP_OPEN) or "account_verified_email" in request.session


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seeds and recovery codes are encrypted: who reads the database alone signs in as nobody."""

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _fernet().decrypt(encrypted_text.encode()).decode()


def _fernet() -> Fernet:
    return Fernet(urlsafe_b64encode(settings.SECOND_FACTOR_KEY))
