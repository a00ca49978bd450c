"""Which addresses feeds may be fetched from: those of public servers, whatever name they hide behind.

Nobody may have our servers ask what only they can reach. A name counts for nothing; every IP address that it resolves
to is checked, and the connection goes to the very address that was (`catalog.fetching`).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import AI_NUMERICHOST, SOCK_STREAM, getaddrinfo
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from recomengine.lib.errors import DomainError

MAX_LENGTH: Final = 2000
PORTS: Final = {"http": 80, "https": 443}
_FIRST_FREE_PORT: Final = 1024  # below lie the services of operating systems, such as mail
_PROTOCOLS: Final = IPv4Network("192.0.0.0/24")  # of which Python takes a part for public
_UNICAST: Final = IPv6Network("2000::/3")  # all that IPv6 has of public addresses
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


def parse(url: str) -> SplitResult:
    """The parts of a URL that might be fetched; raises `address_not_allowed` for any other text.

    What a name resolves to is looked at when it is fetched.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise DomainError("address_not_allowed", f"That is no URL: {error}.") from error
    if len(url) > MAX_LENGTH or any(ord(char) < 33 or ord(char) == 127 for char in url):
        raise DomainError("address_not_allowed", f"A URL has at most {MAX_LENGTH} characters and no spaces.")
    if parts.scheme not in PORTS or not host:
        raise DomainError("address_not_allowed", "Name a feed's URL as http://… or https://….")
    if "@" in parts.netloc:
        raise DomainError("address_not_allowed", "The URL holds a user name or a password; feeds are fetched without.")
    if port is not None and port not in PORTS.values() and port < _FIRST_FREE_PORT:
        raise DomainError("address_not_allowed", f"Feeds are fetched from no port like {port}.")
    if any(not is_allowed(address) for address in _known_at_once(host)):
        raise DomainError("address_not_allowed", f"{host} is no public server.")
    return parts


def _known_at_once(host: str) -> list[str]:
    """The addresses of a host that is one, however it is written, or that is this machine by its name."""
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1"]
    try:
        return [str(each[4][0]) for each in getaddrinfo(host, None, flags=AI_NUMERICHOST)]
    except (OSError, UnicodeError):  # a name, which is looked up when it is fetched
        return []


def port_of(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def resolve(host: str, port: int) -> str:
    """The IP address to connect to for a host; every one that it has must be allowed.

    Raises `address_not_allowed`, or `fetch_failed` for a name that does not exist.
    """
    try:
        name = host if ":" in host else host.encode("idna").decode("ascii")
        found = getaddrinfo(name, port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DomainError("fetch_failed", f"There is no server of the name {host}.") from error
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(map(is_allowed, addresses)):
        raise DomainError("address_not_allowed", f"{host} is no public server.")
    return addresses[0]


def is_allowed(text: str) -> bool:
    """Whether a connection to this IP address may be made: it is public, or among the networks that are allowed."""
    try:
        address = _meant(ip_address(text))
    except ValueError:
        return False
    if any(address in network for network in settings.IMPORT_NETWORKS):
        return True
    if address in _PROTOCOLS or (isinstance(address, IPv6Address) and address not in _UNICAST):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, or translated by a gateway (NAT64)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def redacted(url: str) -> str:
    """A URL for logs and for readers: without its query, which may hold a token."""
    parts = urlsplit(url)
    return parts._replace(query="…" if parts.query else "", fragment="").geturl()
