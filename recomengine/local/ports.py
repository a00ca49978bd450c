"""The two TCP ports that the product listens on, checked before anything is started on them."""

import errno
import os
import socket

from recomengine.local.errors import LocalServicesError

DEFAULT_PORTS = {"RECOMENGINE_API_PORT": 5009, "RECOMENGINE_DASHBOARD_PORT": 3109}


def configured_port(setting: str) -> int:
    """The port named by one of the settings of DEFAULT_PORTS."""
    value = os.environ.get(setting) or str(DEFAULT_PORTS[setting])
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise LocalServicesError(f"{setting} is {value!r}; set it to a port number between 1 and 65535.")
    return int(value)


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now; any other obstacle than "in use" is raised as OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def require_free_port(host: str, setting: str) -> int:
    """The configured port of that setting, or an error that names port and setting when it cannot be used."""
    port = configured_port(setting)
    try:
        free = port_is_free(host, port)
    except OSError as error:
        raise LocalServicesError(
            f"Port {port} on {host} cannot be used ({error.strerror}): set {setting} to another port."
        ) from error
    if not free:
        raise LocalServicesError(
            f"Port {port} is in use by another program: stop that program, or set {setting} to a free port."
        )
    return port
