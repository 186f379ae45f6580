"""The dial guard: every address is judged as it is about to be connected to, whoever named it.

A URL's host is judged where the URL is accepted (manifest/urls.py), but what a name resolves to is known only when it
is dialled, and may be another address by then (DNS rebinding). So the guard makes the sockets: it is handed the very
address that is connected to next, be it a literal, a name's or a redirect's.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from streamzip.manifest.addresses import is_public

# family, type, protocol, canonical name, (host, port, …), as socket.getaddrinfo gives them
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
SocketFactory = Callable[[AddressInfo], socket.socket]


class BlockedAddressError(OSError):
    """An address that the gateway does not dial. Its text is public, and the same for all: it maps no network."""

    def __init__(self) -> None:
        super().__init__("the address is not one of the public internet")


class DialGuard:
    """Makes sockets to public addresses and `allow_networks`, and for the origins in `allow_hosts` to any address.

    `allow_hosts` are exact `host:port` in lower case, an IPv6 address in brackets and its shortest form.
    """

    def __init__(
        self,
        allow_hosts: frozenset[str] = frozenset(),
        allow_networks: Iterable[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._allow_hosts = allow_hosts
        self._allow_networks = tuple(allow_networks)

    def exempts(self, origin: str) -> bool:
        """Whether the operator named this `host:port`, so that it may have a private address."""
        return origin in self._allow_hosts

    def open_socket(self, address: AddressInfo) -> socket.socket:
        """A socket that may be connected to `address`. Raises BlockedAddressError."""
        if not self._may_dial(ip_address(address[4][0])):
            raise BlockedAddressError
        return open_any_socket(address)

    def _may_dial(self, ip: IPv4Address | IPv6Address) -> bool:
        if is_public(ip):
            return True
        # An IPv4-mapped address is dialled as the IPv4 address inside, so a network of those covers it.
        inner = getattr(ip, "ipv4_mapped", None) or ip
        return any(inner.version == network.version and inner in network for network in self._allow_networks)


def open_any_socket(address: AddressInfo) -> socket.socket:
    """A socket for an origin that the guard exempts."""
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)
