"""How fast, and in how much memory, a large feed is imported: a generated CSV, by the task that a worker runs.

Run with `python manage.py services run -- python -m bench.catalog_import [--rows 1000000]`. A tenant is made and purged
again. The feed is imported twice, each time by a process of its own: first into the empty catalogue, then unchanged.
The machine is shared by the process and the databases.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
os.environ.setdefault("RECOMENGINE_LOG_LEVEL", "WARNING")
django.setup()

from catalog import importing, storing, tasks  # noqa: E402
from catalog.importing import requests  # noqa: E402
from catalog.importing.types import NewImport  # noqa: E402
from catalog.models import Import  # noqa: E402
from tenants import changing, directory  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.provisioning import create_tenant  # noqa: E402
from tenants.types import PLATFORM, TenantRef  # noqa: E402

SLUG: Final = "bench-import"
ROWS: Final = 1_000_000
WORDS: Final = (
    "mug", "kettle", "teapot", "lamp", "candle", "basket", "towel", "blanket", "cushion", "mirror", "clock", "frame",
    "vase", "bowl", "plate", "spoon", "ladle", "tray", "jar", "bottle", "blue", "green", "oak", "walnut", "linen",
    "cotton", "ceramic", "glass", "brass", "copper", "small", "large", "round", "square", "vintage", "modern",
)  # fmt: skip
HEADER: Final = "id,title,description,link,image_link,price,availability,brand,product_type,color,weight\n"


def lines(rows: int) -> Iterator[str]:
    """A feed with the columns and lengths of a usual one, the same at every run."""
    chance = random.Random(7)
    yield HEADER
    for n in range(rows):
        words = chance.choices(WORDS, k=40)
        title, text, brand = " ".join(words[:5]).title(), " ".join(words), words[6].title()
        kind = f"Home > {words[7].title()} > {words[8].title()}"
        price, weight = f"{chance.randrange(100, 20_000) / 100:.2f} EUR", chance.randrange(50, 5000)
        link = f"https://shop.example/p/{n}"
        yield f'SKU{n},{title} {n},"{text}.",{link},{link}.jpg,{price},in_stock,{brand},{kind},{words[9]},{weight}\n'


def work(tenant: TenantRef) -> None:
    """What the worker does, in this process; prints the seconds and the most memory that it held."""
    began = time.perf_counter()
    tasks.run_imports(tenant.slug)
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()  # `getrusage` counts the parent's memory
    print(seconds, next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")))


def imported(tenant: TenantRef, feed: Path) -> tuple[Import, float, int]:
    with feed.open("rb") as file:
        chunks = iter(lambda: file.read(1 << 20), b"")
        row = requests.request(tenant, NewImport(filename=feed.name), chunks, by=PLATFORM)
    command = [sys.executable, "-m", "bench.catalog_import", "--work"]
    seconds, megabytes = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return importing.get(tenant, row.pk), float(seconds), int(megabytes)


@contextmanager
def shop() -> Iterator[TenantRef]:
    tenant: Any = Tenant.objects.filter(slug=SLUG).first() or create_tenant(SLUG, "Bench")
    try:
        yield tenant.ref
    finally:
        changing.purge_tenant(changing.delete_tenant(tenant), storing.remove)


def main(rows: int) -> None:
    with shop() as tenant, tempfile.TemporaryDirectory() as directory_:
        feed = Path(directory_) / "feed.csv"
        with feed.open("w") as file:
            file.writelines(lines(rows))
        print(f"{rows:,} rows, {feed.stat().st_size / 1e6:.0f} MB")
        for title in ("new", "unchanged"):
            row, seconds, megabytes = imported(tenant, feed)
            told = f"created {row.created:,}, updated {row.updated:,}, unchanged {row.unchanged:,}"
            print(f"{title}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, peak {megabytes} MB; {row.status}, {told}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(directory.get(SLUG))
    else:
        main(options.rows)
