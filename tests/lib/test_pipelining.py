"""Making ahead: one more than is used, errors where they are noticed, nothing left running."""

import threading
from collections.abc import Generator

import pytest

from recomengine.lib.pipelining import ahead


def numbers(count: int, made: list[int]) -> Generator[int, None, None]:
    try:
        for number in range(count):
            made.append(number)
            yield number
    finally:
        made.append(-1)


def test_all_comes_in_order() -> None:
    made: list[int] = []
    assert list(ahead(ahead(numbers(50, made)))) == list(range(50))
    assert made == [*range(50), -1]


def test_one_is_made_while_another_is_used() -> None:
    made: list[int] = []
    begun = threading.Event()
    before = set(threading.enumerate())

    def source() -> Generator[int, None, None]:
        yield 0
        begun.set()
        yield from numbers(5, made)

    use = ahead(source())
    assert next(use) == 0
    assert begun.wait(60)
    use.close()
    assert made == [0, -1]
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("ThreadPoolExecutor")]


def test_what_fails_fails_after_what_came_before() -> None:
    def source() -> Generator[int, None, None]:
        yield 1
        raise OSError("gone")

    use = ahead(source())
    assert next(use) == 1
    with pytest.raises(OSError, match="gone"):
        next(use)


def test_what_uses_it_may_fail() -> None:
    made: list[int] = []
    with pytest.raises(ZeroDivisionError):
        all(1 // (1 - number) for number in ahead(numbers(9, made)))
    assert made[-1] == -1
    assert len(made) <= 5
