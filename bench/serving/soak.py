"""A soak: requests at a steady rate while models are published, rules changed and stock moved every second."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from bench.harness import serving_processes
from bench.publishing import model
from bench.serving import load, shop
from catalog import cards
from catalog.models import Item
from recommendations import placements, publishing, versions
from recommendations.models import Rule
from tenants import tenancy
from tenants.types import TenantRef


def memory_of(pid: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Changes(threading.Thread):
    """What moves meanwhile: every second a model, a rule and the stock of a product; it counts what it did."""

    def __init__(self, tenant: TenantRef, products: int, k: int) -> None:
        super().__init__(daemon=True)
        self._tenant, self._products, self._model = tenant, products, model(products, k)
        self.done, self.failed = 0, list[str]()
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            while not self.ended.is_set():
                began = time.perf_counter()
                self._change()
                self.done += 1
                self.ended.wait(max(0.0, 1 - (time.perf_counter() - began)))
        except Exception as error:  # noqa: BLE001 - told at the end, since nobody looks meanwhile
            self.failed.append(repr(error))
        finally:
            connection.close()

    def _change(self) -> None:
        version = f"soak-{self.done}"
        publishing.write(self._tenant, version, self._model)
        versions.flip(self._tenant, version)
        versions.discard(self._tenant, f"soak-{self.done - 20}")  # as a release frees what was superseded a while ago
        with tenancy.use(self._tenant):
            cheap: dict[str, Any] = {"field": "current_price", "op": "lt", "value": 5 + self.done % 5}
            Rule.objects.filter(key="no-cheap").update(action={"type": "exclude", "filter": cheap})
            item = Item.objects.get(item_id=shop.item_id(self.done % self._products))
            item.availability = "in_stock" if item.availability == "out_of_stock" else "out_of_stock"
            item.save(update_fields=["availability"])
        cards.refresh(self._tenant, [item.pk])
        placements.publish(self._tenant)


def soak(make: Iterator[bytes], rate: float, minutes: int, changes: Changes) -> bool:
    """Print latency and memory of each minute; returns whether nothing failed."""
    failed = 0
    with serving_processes(2) as (port, pids):
        load.closed(port, make, 8, 3)
        changes.start()
        for minute in range(1, minutes + 1):
            result = load.open_loop(port, make, rate, 60)
            failed += len(result.refused)
            held = ", ".join(f"{memory_of(pid):.0f}" for pid in pids)
            print(f"    minute {minute}: {result.told()}; memory {held} MB; {changes.done} changes", flush=True)
            for answer in result.refused[:1]:
                print(answer.decode(errors="replace")[:500])
        changes.ended.set()
        changes.join()
    print(f"    {failed} errors in {minutes} minutes, {changes.done} rounds of changes {' '.join(changes.failed)}")
    return not failed and not changes.failed
