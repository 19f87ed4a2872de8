"""Which hosts may be asked, and at which addresses: a name is looked up once, its addresses are judged, and one of
those is what is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from magent.errors import UsageError
from magent.tools.base import failed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Allowed:
    """An entry of `allow_hosts`: `api.example.org`, `*.example.org`, `localhost:8080`, `10.0.0.7`, `[::1]:80`, or `*`,
    every host that is public."""

    host: str
    port: int | None  # None: every port
    below: bool = False  # every name below `host`, and not `host` itself

    def fits(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.below:
            return not self.host or (host.endswith("." + self.host) and literal(host) is None)
        return host == self.host


def read_hosts(entries: Iterable[str]) -> tuple[Allowed, ...]:
    """Raises UsageError for an entry that is no host."""
    return tuple(_entry(str(entry).strip()) for entry in entries)


def _entry(text: str) -> Allowed:
    if text == "*":
        return Allowed("", None, below=True)
    host, port = _host_and_port(text.removeprefix("*."))
    number = int(port) if port.isdecimal() and port.isascii() and len(port) < 6 else None
    if not host or (port and not 0 < (number or 0) < 65536) or set(host) & set("*/@?# \\"):
        raise UsageError(f"'{text[:100]}' in `allow_hosts` is no host", _HINT)
    return Allowed(same_host(host), number, text.startswith("*."))


_HINT = "such as api.example.org, *.example.org, localhost:8080, 10.0.0.7"


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def permitted(hosts: Sequence[Allowed], host: str, port: int) -> Allowed:
    """The entry that lets the host be asked. Raises WorkFailed (`tool`)."""
    for entry in hosts:
        if entry.fits(host, port):
            return entry
    listed = ", ".join(f"{'*.' * each.below}{each.host}" + (f":{each.port}" if each.port else "") for each in hosts)
    raise failed(f"the host '{host}' may not be asked at port {port}", f"allowed: {listed}")


def same_host(host: str) -> str:
    """A host in the one form in which hosts are compared: lower case, no final dot, addresses as they are written
    shortest, names in other scripts as DNS has them."""
    host = host.strip("[]").rstrip(".").lower()
    if address := literal(host):
        return str(address)
    if host.isascii():
        return host
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return host


def literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether the whole world means the same machine by it: not private, not this machine, not a group, not reserved,
    also where it is an older address in a newer one's clothes."""
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _inside(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as this machine finds them. Raises OSError, UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


async def addresses(
    host: str, port: int, entry: Allowed, hosts: Sequence[Allowed], lookup: Lookup = look_up
) -> Sequence[str]:
    """The addresses at which the host, which `entry` allows, may be connected to. One that is not public must be listed
    itself, or be this machine under the name `localhost`. Raises WorkFailed (`tool`)."""
    try:
        every = await lookup(host, port)
    except (OSError, UnicodeError) as error:
        raise failed(f"the host '{host}' was not found: {error}") from error
    for text in every:
        address = literal(text)
        if address is not None and is_public(address):
            continue
        here = host == "localhost" and not entry.below and address is not None and address.is_loopback
        listed = address is not None and any(not each.below and each.fits(str(address), port) for each in hosts)
        if not (here or listed):
            raise failed(
                f"'{host}' is at {text}, an address inside a network: such are only asked where they are listed",
                f"to allow it, add that address: `allow_hosts: [{text}]`",
            )
    return every
