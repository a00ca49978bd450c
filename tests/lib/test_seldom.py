"""Complaints of a server that is away are told, and do not flood the log."""

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from recomengine.lib import seldom
from recomengine.lib.seldom import Seldom


def test_the_first_is_told_at_once_and_later_ones_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(seldom.time, "monotonic", lambda: now[0])
    with capture_logs() as said:
        away = Seldom(structlog.get_logger(), "away")
        for moment in (100.0, 100.1, 109.9, 110.0, 110.1):
            now[0] = moment
            away.warn(error=str(moment))
    told: list[dict[str, Any]] = [dict(each) for each in said]
    assert [(each["event"], each["times"], each["error"]) for each in told] == [
        ("away", 1, "100.0"),
        ("away", 3, "110.0"),
    ]
