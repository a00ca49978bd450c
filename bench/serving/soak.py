"""A soak: requests at a steady rate while rules change and stock moves every second, and models are published.

Both are done by processes of their own, so that they take processors from the servers but no time from the load.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench.harness import serving_processes
from bench.publishing import model, used_memory
from bench.serving import load, shop
from catalog import cards
from catalog.models import Item
from recommendations import placements
from recommendations.models import Rule
from recommendations.releases import publishing, versions
from tenants import tenancy
from tenants.types import TenantRef

_spawning = multiprocessing.get_context("spawn")
_made = cache(model)


def memory_of(pid: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Repeated:
    """Something that a process of its own does every second, or as often as it can; `done` counts how often it did."""

    def __init__(self, change: Callable[..., None], *of: Any) -> None:
        self._done, self._ended = _spawning.Value("i", 0), _spawning.Event()
        self._process = _spawning.Process(target=_repeat, args=(change, of, self._done, self._ended), daemon=True)

    @property
    def done(self) -> int:
        return int(self._done.value)

    def start(self) -> None:
        self._process.start()

    def end(self) -> bool:
        """Whether it went well to the end; what went wrong is on stderr."""
        self._ended.set()
        self._process.join()
        return self._process.exitcode == 0


def _repeat(change: Callable[..., None], of: tuple[Any, ...], done: Any, ended: Any) -> None:
    while not ended.is_set():
        began = time.perf_counter()
        change(*of, done.value)
        done.value += 1
        ended.wait(max(0.0, 1 - (time.perf_counter() - began)))


def publish_model(tenant: TenantRef, products: int, k: int, number: int) -> None:
    """Publish a model with every table full, and free an older one as a release does."""
    publishing.write(tenant, f"soak-{number}", _made(products, k))
    versions.flip(tenant, f"soak-{number}")
    versions.discard(tenant, f"soak-{number - 20}")


def change_rule_and_stock(tenant: TenantRef, products: int, number: int) -> None:
    """Change what a rule takes out, and sell a product out or get it in again."""
    cheap: dict[str, Any] = {"field": "current_price", "op": "lt", "value": 5 + number % 5}
    with tenancy.use(tenant):
        Rule.objects.filter(key="no-cheap").update(action={"type": "exclude", "filter": cheap})
        item = Item.objects.get(item_id=shop.item_id(number % products))
        item.availability = "in_stock" if item.availability == "out_of_stock" else "out_of_stock"
        item.save(update_fields=["availability"])
    cards.refresh(tenant, [item.pk])
    placements.publish(tenant)


def changes(tenant: TenantRef, products: int, k: int) -> dict[str, Repeated]:
    """What goes on beside the load, by what it is called."""
    return {
        "models": Repeated(publish_model, tenant, products, k),
        "changes of a rule and of stock": Repeated(change_rule_and_stock, tenant, products),
    }


def soak(make: Iterator[bytes], rate: float, minutes: int, beside: Mapping[str, Repeated]) -> bool:
    """Print latency and memory of each minute; returns whether nothing failed."""
    failed = 0
    with serving_processes(2) as (port, pids):
        load.closed(port, make, 8, 3)
        for each in beside.values():
            each.start()
        for minute in range(1, minutes + 1):
            result = load.open_loop(port, make, rate, 60)
            failed += len(result.refused)
            held = ", ".join(f"{memory_of(pid):.0f}" for pid in pids)
            print(f"    minute {minute}: {result.told()}; memory {held} MB, Redis {used_memory():,.0f} MB", flush=True)
            for answer in result.refused[:1]:
                print(answer.decode(errors="replace")[:500])
        went_well = [each.end() for each in beside.values()]
    print(f"    {failed} errors in {minutes} minutes; {', '.join(f'{each.done} {of}' for of, each in beside.items())}")
    return not failed and all(went_well)
