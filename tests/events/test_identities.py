"""Who a visitor is: browsers join the one user they were seen with, in trainings too."""

from datetime import timedelta

import pytest

from events import archiving, identities, reading
from recomengine.lib import clock
from tenants.types import TenantRef
from tests.api import Api
from tests.events.months import event, month, send

EVER = clock.now() - timedelta(days=396)


def login(visitor: str, user: str) -> dict[str, str]:
    return {"type": "login", "visitor_id": visitor, "user_id": user}


def visitors(tenant: TenantRef) -> list[str]:
    """Whose the interactions are, as a training sees them."""
    return sorted(reading.interactions(tenant, EVER)["visitor"].to_pylist())


@pytest.mark.parametrize("dropped", [False, True])
def test_a_browser_of_one_user_is_hers_and_a_shared_one_nobodys(
    api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef, dropped: bool
) -> None:
    old = month(2)
    send(
        api_a,
        event(1, old, visitor_id="phone"), event(2, old, visitor_id="laptop", user_id="ann"),
        event(3, old, visitor_id="kiosk", user_id="ann"), event(4, old, visitor_id="kiosk"),
        event(5, old, visitor_id="unknown"),
    )  # fmt: skip
    send(api_b, login("unknown", "ann"))
    if dropped:
        archiving.archive_closed(tenant_a, drop=True)
    send(api_a, login("phone", "ann"), login("kiosk", "bob"), event(6, month(0), visitor_id="laptop"))
    assert [identities.user_of(tenant_a, each) for each in ("phone", "laptop", "kiosk", "unknown", "none")] == [
        "ann", "ann", None, None, None,
    ]  # fmt: skip
    assert identities.visitors_of(tenant_a, "ann") == ["laptop", "phone"]
    assert identities.visitors_of(tenant_a, "bob") == []
    assert identities.visitors_of(tenant_b, "ann") == ["unknown"]
    assert visitors(tenant_a) == ["ann", "ann", "ann", "ann", "kiosk", "unknown"]


def test_a_user_without_a_browser_and_a_bot_join_nobody(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, month(0), visitor_id="ann", user_id="ann"))
    send(api_a, login("phone", "bob") | {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"})
    send(api_a, event(2, month(0), visitor_id="phone"))
    assert identities.user_of(tenant_a, "phone") is None
    assert identities.visitors_of(tenant_a, "ann") == []
    assert visitors(tenant_a) == ["ann", "phone"]


@pytest.mark.parametrize("odd", [r"\N", '"', ",", "NULL", "é".encode().hex(), "a b", "007"])
def test_ids_join_to_the_character(api_a: Api, tenant_a: TenantRef, odd: str) -> None:
    send(api_a, event(1, month(0), visitor_id=f"b{odd}"), login(f"b{odd}", odd))
    assert identities.user_of(tenant_a, f"b{odd}") == odd
    assert visitors(tenant_a) == [odd]


def test_what_bots_did_is_in_no_training(api_a: Api, tenant_a: TenantRef) -> None:
    crawler = {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    send(api_a, event(1, month(2), **crawler))
    assert not reading.any_since(tenant_a, None)
    assert reading.interactions(tenant_a, EVER).num_rows == 0
    archiving.archive_closed(tenant_a, drop=True)
    assert reading.interactions(tenant_a, EVER).num_rows == 0
