"""Events of the past from files: CSV and JSON Lines, stored as if they had been sent when they occurred.

`columns` makes an event's fields of a row, `grouping` events of rows, `taking` stores them; the rest is what all kinds
of imports have in common.
"""

from events.importing.requests import cancel, get, listed, rejected, resume, start
from events.importing.types import Format, NewImport

__all__ = ["Format", "NewImport", "cancel", "get", "listed", "rejected", "resume", "start"]
