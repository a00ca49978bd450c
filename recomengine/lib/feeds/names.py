"""Names of columns, however a file spells them."""

import re
from functools import lru_cache


@lru_cache(10_000)
def spelled(column: str) -> str:
    """A column's name in one spelling: "Image Link", "g:image-link", "imageLink" → `image_link`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip().removeprefix("g:"))
    return re.sub(r"[\s_-]+", "_", words).lower()
