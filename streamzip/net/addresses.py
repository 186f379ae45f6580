"""The dial guard: every address is judged as it is about to be connected to, whoever named it.

A URL's host is judged where the URL is accepted (urls/urls.py), but what a name resolves to is known only when it
is dialled, and may be another address by then (DNS rebinding). So the guard is asked as a socket is made: it is handed
the very address that is connected to next, be it a literal, a name's or a redirect's.
"""

import socket
from collections.abc import Callable, Container, Iterable
from ipaddress import ip_address
from typing import Any

from streamzip.net.interfaces import OwnAddresses
from streamzip.urls.addresses import NOT_PUBLIC, Address, Network, is_public, lies_in, unmapped

# family, type, protocol, canonical name, (host, port, …), as socket.getaddrinfo gives them
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class BlockedAddressError(OSError):
    """An address that the gateway does not dial. Its text is public, and the same for all: it maps no network."""

    def __init__(self) -> None:
        super().__init__(NOT_PUBLIC)


class DialGuard:
    """Lets public addresses and `allow_networks` be dialled, and for the origins in `allow_hosts` any address.

    `allow_hosts` are exact `host:port` in lower case, an IPv6 address in brackets and its shortest form. `own`: the
    machine's own addresses, which are as closed as private ones.
    """

    def __init__(
        self,
        allow_hosts: frozenset[str] = frozenset(),
        allow_networks: Iterable[Network] = (),
        own: Callable[[], Container[Address]] | None = None,
    ) -> None:
        self._allow_hosts = allow_hosts
        self._allow_networks = tuple(allow_networks)
        self._own = OwnAddresses() if own is None else own

    def exempts(self, origin: str) -> bool:
        """Return whether the operator named this `host:port`, so that it may have a private address."""
        return origin in self._allow_hosts

    def judge(self, address: AddressInfo) -> None:
        """Raise BlockedAddressError where `address` may not be connected to."""
        ip = ip_address(address[4][0])
        if not self._is_open(ip) and not lies_in(ip, self._allow_networks):
            raise BlockedAddressError

    def _is_open(self, ip: Address) -> bool:
        return is_public(ip) and unmapped(ip) not in self._own()


def open_any_socket(address: AddressInfo) -> socket.socket:
    """Return a socket for an origin that the guard exempts."""
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)
