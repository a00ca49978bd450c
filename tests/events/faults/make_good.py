"""What beat has done every minute, as if some minutes had passed: `python -m tests.events.faults.make_good SLUG`."""

import os
import sys
from datetime import timedelta
from typing import Final
from unittest import mock

import django

LATER: Final = timedelta(minutes=2)


def main(slug: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
    django.setup()
    from events import repair
    from recomengine.lib import clock
    from recommendations import restoring
    from tenants import directory

    tenant = directory.get(slug)
    with mock.patch.object(clock, "now", return_value=clock.now() + LATER):
        if restoring.is_needed(tenant):
            restoring.restore(tenant)
        repair.repair(tenant)


if __name__ == "__main__":
    main(sys.argv[1])
