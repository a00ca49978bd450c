"""The catalogue's imports among those of other kinds."""

from typing import Final

from catalog.models import Import, RejectedRow
from imports.kinds import Kind
from imports.storing import Files

FILES: Final = Files()
CATALOGUE: Final = Kind("import", Import, RejectedRow, FILES, "catalog.run_imports")
