"""docs/security.md: every requirement once, every test it names exists, and its figures are the settings'."""

import re
from datetime import timedelta

import pytest
from django.conf import settings

from tenants import passwords, tokens
from tenants.types import ROLE_SCOPES, SCOPES, KeyType, Role, Scope
from tests.docs.pages import ROOT, rows, section, text
from tests.docs.test_references import names

PAGE = text("docs/security.md")
LINES = re.findall(r"(?m)^\| `(\d+\.\d+\.\d+)` \| (\d) \| ([^|]+) \| (.+) \|$", section(PAGE, "OWASP ASVS 5.0"))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# OWASP ASVS 5.0.0, chapters 4, 6, 7, 8 and 9.
LEVEL_1 = (
    "4.1.1 4.4.1 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 7.2.1 7.2.2 7.2.3 "
    "7.2.4 7.4.1 7.4.2 8.1.1 8.2.1 8.2.2 8.3.1 9.1.1 9.1.2 9.1.3 9.2.1 "
)
LEVEL_2 = (
    "4.1.2 4.1.3 4.2.1 4.3.1 4.3.2 4.4.2 4.4.3 4.4.4 6.1.2 6.1.3 6.2.9 6.2.10 6.2.11 6.2.12 6.3.3 6.3.4 6.4.3 6.4.4 "
    "6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.6.1 6.6.2 6.6.3 6.8.1 6.8.2 6.8.3 6.8.4 7.1.1 7.1.2 7.1.3 7.3.1 7.3.2 7.4.3 "
    "7.4.4 7.4.5 7.5.1 7.5.2 7.6.1 7.6.2 8.1.2 8.2.3 8.4.1 9.2.2 9.2.3 9.2.4 "
)


def test_every_requirement_has_one_line_with_its_level() -> None:
    assert sorted((number, level) for number, level, *_ in LINES) == sorted(
        [(number, "1") for number in LEVEL_1.split()] + [(number, "2") for number in LEVEL_2.split()]
    )


@pytest.mark.parametrize(("number", "answer"), [(line[0], line[3]) for line in LINES])
def test_every_line_names_tests_or_a_reason(number: str, answer: str) -> None:
    assert TEST.search(answer) or len(answer) > 20, number


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(PAGE)
    assert named
    for path, name in named:
        assert (ROOT / path).exists(), path
        assert name in names(path), f"{path} has no {name}"


def test_the_table_of_scopes_is_that_of_the_code() -> None:
    holders = [*(ROLE_SCOPES[role] for role in Role), *(SCOPES[kind] for kind in KeyType)]
    expected = {str(scope): ["yes" if scope in holder else "" for holder in holders] for scope in Scope}
    found = rows(section(PAGE, "Who may what"))
    assert {scope: found[scope][1:] for scope in expected} == expected


def test_limits_are_those_of_the_settings() -> None:
    said = section(PAGE, "Limits on guessing")
    limits = settings.ACCOUNT_RATE_LIMITS
    assert limits["login"] == "100/m/ip"
    assert "| logins from an IP address | 100 a minute |" in said
    assert limits["login_failed"] == "20/m/ip,5/10m/key"
    assert said.count("| 5 in ten minutes") == 2
    assert "| 20 a minute |" in said
    assert limits["reset_password"] == "20/m/ip,5/h/key"
    assert "20 a minute from an IP address, 5 an hour for an email address" in said
    assert tokens.LOCKED_FOR == 600


def test_lifetimes_are_those_of_the_settings() -> None:
    said = section(PAGE, "Sessions and tokens")
    hour = 3600
    assert (12 * hour, 7 * 24 * hour) == settings.SESSION
    assert "| session on the dashboard | 12 hours | 7 days |" in said
    assert (hour, 12 * hour) == settings.STAFF_SESSION
    assert "| session of an operator | 1 hour | 12 hours |" in said
    assert settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] == timedelta(minutes=15)
    assert "| access token | | 15 minutes |" in said
    assert (settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"], tokens.LONGEST) == (timedelta(days=7), timedelta(days=30))
    assert "| 7 days | 30 days |" in said


def test_words_that_passwords_may_not_hold_are_named() -> None:
    said = section(PAGE, "Passwords")
    assert all(f"`{word}`" in said for word in passwords.WORDS)
