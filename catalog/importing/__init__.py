"""Imports: feeds read into the catalogue, in the background.

`requests` is what people and programs ask for, `scheduling` what happens by itself, `running` does the work: the
file is obtained, its rows are taken, and what a replacing feed lacks is deleted.
"""

from catalog.importing.previewing import preview
from catalog.importing.requests import cancel, get, listed, rejected, resume, start
from catalog.importing.scheduling import run_source
from catalog.importing.types import NewImport, Preview, PreviewRow

__all__ = [
    "NewImport",
    "Preview",
    "PreviewRow",
    "cancel",
    "get",
    "listed",
    "preview",
    "rejected",
    "resume",
    "run_source",
    "start",
]
