"""Ids: never twice, whatever makes them at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from recomengine.lib.ids import new_id


def test_threads_never_draw_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = [each for some in pool.map(lambda _: [new_id() for _ in range(2_000)], range(16)) for each in some]
    assert len(set(drawn)) == len(drawn) == 32_000
    assert all(UUID(each).hex == each for each in drawn)


def test_a_process_and_its_child_never_draw_the_same() -> None:
    new_id()  # some are drawn ahead now
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, "\n".join(new_id() for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = os.read(reading, 10_000).decode().split("\n")
    os.close(reading)
    os.close(writing)
    assert len(of_child) == 50
    assert not {new_id() for _ in range(600)} & set(of_child)
