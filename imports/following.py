"""Running an import in a command, and saying how far it is."""

import time
from collections.abc import Callable
from typing import Final

from imports.models import R

EVERY: Final = 1.0


def followed(run: Callable[[Callable[[R], None]], None], get: Callable[[], R], tell: Callable[[R], None]) -> R:
    """Run what a tenant has to import until the import that `get` gives is over; another process may be at it."""
    said = time.monotonic()

    def progress(row: R) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            tell(row)

    while True:
        run(progress)
        row = get()
        if row.is_over:
            return row
        time.sleep(EVERY)
        progress(row)
