"""The checkout's own Valkey server, which runs as the calling user."""

import signal
from pathlib import Path

import redis

from recomengine.local import paths
from recomengine.local.accounts import calling_account, make_private_dir, postgres_account
from recomengine.local.errors import failed
from recomengine.local.installation import valkey_program
from recomengine.local.server import Progress, Server

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "set-proc-title": "no",  # its command line is how it is found
}


def server(root: Path) -> Server:
    """The server of that checkout, running or not."""
    data = paths.valkey_data(root)
    return Server(
        name="Valkey",
        command=("valkey-server", "--dir", str(data)),
        data=data,
        socket=paths.valkey_socket(root),
        log=paths.log_file(root, "valkey"),
        answers=lambda: _answers(paths.valkey_socket(root)),
        stop_signals=((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0)),
    )


def start(root: Path, progress: Progress) -> bool:
    """Start the server unless it runs already; whether it had to be started. The caller holds the checkout's lock."""
    valkey, program = server(root), valkey_program()
    valkey.stop_if_unreachable()
    make_private_dir(valkey.data, calling_account())
    make_private_dir(valkey.socket.parent, postgres_account())
    if valkey.is_up():
        return False
    progress("Starting Valkey")
    settings = _SETTINGS | {"unixsocket": str(valkey.socket)}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    if (output := valkey.launch(program, options, calling_account())) is not None:
        raise failed(f"Valkey did not start; {valkey.log} ends with:\n{output}", valkey.data)
    return True


def _answers(socket: Path) -> bool:
    """Whether it executes commands; while it loads its data it refuses them."""
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=5)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
