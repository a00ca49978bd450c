"""Recorded events of real shops, replayed: see bench/replay_events.py."""

import os
from pathlib import Path

import pytest

from bench.replay_events import RECORDINGS, differences, replay
from tenants.types import TenantRef
from tests.conftest import new_key
from tests.edge.test_processes import environment, serving

__all__ = ["environment"]  # a fixture
DIRECTORY = os.environ.get("RECOMENGINE_RECORDINGS", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_replay_leaves_exactly_its_events(environment: dict[str, str], tenant_a: TenantRef, name: str) -> None:
    path = Path(DIRECTORY, name)
    if not DIRECTORY or not path.exists():
        pytest.skip(f"RECOMENGINE_RECORDINGS names no directory with {name}")
    with serving(environment) as (port, _):
        events, batches, outcome = replay(port, new_key(tenant_a), path, speed=200_000)
    sent = sum(len(batch.events) for batch in batches)
    assert outcome.accepted == len(events)
    assert outcome.duplicates == sent - len(events) > 0
    assert differences(tenant_a, events) == []
