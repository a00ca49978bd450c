"""Imports of events among those of other kinds."""

from typing import Final

from events.models import Import, RejectedRow
from imports.kinds import Kind
from imports.storing import Files

FILES: Final = Files("events")
EVENTS: Final = Kind("event_import", Import, RejectedRow, FILES, "events.run_imports")
