"""Having the next thing made while the last one is used."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

Made = TypeVar("Made")


def ahead(source: Generator[Made, None, None]) -> Generator[Made, None, None]:
    """What `source` yields, each made by a thread while the one before is used; never more than one is waiting.

    What `source` raises is raised here. It is closed with this generator, after what it is making is made.
    """
    with closing(source), ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, source, None)
        while (made := following.result()) is not None:
            following = pool.submit(next, source, None)
            yield made
