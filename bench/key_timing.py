"""Whether the time of a refusal tells anything of keys: a wrong secret of a known key, against an unknown key.

Run with `python manage.py services run -- python -m bench.key_timing`. Both doors are asked in this process, the hot
path's and Django's, in turns and in random order; a right key is measured beside them for comparison. What is printed
is the median of each, and how large the difference is against the spread of one kind alone (its quartiles' distance).
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from recomengine.lib.errors import DomainError  # noqa: E402
from recomengine.lib.redis_mux import RedisMux  # noqa: E402
from tenants import changing, keys  # noqa: E402
from tenants.keycache import KeyCache  # noqa: E402
from tenants.live import LiveStates  # noqa: E402
from tenants.provisioning import create_tenant  # noqa: E402
from tenants.types import KeyType  # noqa: E402

ROUNDS: Final = 3000


def texts(token: keys.Token) -> dict[str, str]:
    return {
        "right": str(token),
        "wrong secret": str(token._replace(secret="0" * 48)),
        "first half right": str(token._replace(secret=token.secret[:24] + "0" * 24)),
        "unknown key": str(token._replace(key_id="0" * 12)),
    }


def measure(name: str, ask: Callable[[str], None], cases: dict[str, str]) -> None:
    taken: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case in random.sample(list(cases), len(cases)):
            began = time.perf_counter()
            ask(cases[case])
            taken[case].append((time.perf_counter() - began) * 1e6)
    spread = statistics.quantiles(taken["wrong secret"], n=4)
    print(f"{name}: spread of one kind {spread[2] - spread[0]:.0f} µs")
    for case, found in taken.items():
        print(f"  {case:17} median {statistics.median(found):6.0f} µs")


def through_django(text: str) -> None:
    try:
        keys.authenticate(text)
    except DomainError:
        return


def main() -> None:
    call_command("migrate_schemas", verbosity=0, interactive=False)
    tenant = create_tenant("bench-keys", "Bench keys")
    try:
        cases = texts(keys.create_key(tenant, KeyType.READ_ONLY))
        measure("Django's door", through_django, cases)
        with asyncio.Runner() as runner:
            mux = RedisMux(settings.REDIS_URL)
            cache = KeyCache(LiveStates(mux))

            async def ask(text: str) -> None:
                try:
                    await cache.authenticate(text, None)
                except DomainError:
                    return

            measure("hot path", lambda text: runner.run(ask(text)), cases)
            runner.run(cache.close())
            runner.run(mux.close())
    finally:
        changing.purge_tenant(changing.delete_tenant(tenant))


if __name__ == "__main__":
    main()
