"""Which passwords are taken."""

import gzip
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tenants.models import User

ANN = User(email="annabel@example.com", name="Annabel Winter")


@pytest.mark.parametrize(
    "password",
    [
        "short", "password123", "Sunshine2008", "1234567890", "annabel-2026-x", "Annabel Winter", "xx recommend xx",
        "MyRecomEngine!", "aaaaaaaaaa",
    ],
)  # fmt: skip
def test_these_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, ANN)


@pytest.mark.parametrize("password", ["seven lazy otters", " spaces at both ends ", "ünïcode – öäü", "x7" * 100])
def test_these_are_taken(password: str) -> None:
    validate_password(password, ANN)


def test_the_list_holds_thousands_that_the_length_alone_lets_pass() -> None:
    packed = Path(settings.BASE_DIR) / "tenants" / "common-passwords.txt.gz"
    words = gzip.decompress(packed.read_bytes()).decode().split("\n")
    assert len({word for word in words if len(word) >= 10}) == 87_609
