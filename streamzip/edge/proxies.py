"""What a proxy in front says of a request: by which scheme it came, and from which address.

The two are trusted apart. A wrong scheme spoils the links of one answer, so every proxy on this machine is believed. A
wrong address evades limits, and everybody on this machine can claim one: only proxies that the operator named are
believed.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from starlette.types import Scope

from streamzip.urls.addresses import Address, Network, lies_in, unmapped

SCHEMES: Final = frozenset({"http", "https"})
MOST_HOPS: Final = 32

# As proxies write an address: bare, or with a port.
_HOP = re.compile(
    r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}|([0-9A-Fa-f:.]{2,45})", re.ASCII
)


class Proxies:
    """`named`: where the operator's proxies are."""

    def __init__(self, named: Sequence[Network]) -> None:
        self._named = tuple(named)

    def trusts(self, peer: Address | None) -> bool:
        """Return whether the operator named the peer: what it tells of a request is believed."""
        return peer is not None and lies_in(peer, self._named)

    def scheme(self, peer: Address | None, scheme: str, forwarded: Sequence[str], *, local: bool = False) -> str:
        """Return the scheme of a request. `forwarded`: its X-Forwarded-Proto fields; `local`: see is_local.

        Of several values the last counts: the nearest proxy wrote it, and those before it may be a client's claim.
        """
        if not local and (peer is None or not (peer.is_loopback or lies_in(peer, self._named))):
            return scheme
        told = ",".join(forwarded).rpartition(",")[2].strip().lower()
        return told if told in SCHEMES else scheme

    def client(self, peer: Address | None, forwarded: Sequence[str], *, local: bool = False) -> Address | None:
        """Return the address of a request's client. `forwarded`: its X-Forwarded-For fields; `local`: see is_local.

        It is the last one that no named proxy has: each of them appended whom it was asked by.
        """
        found, trusted = peer, local or self.trusts(peer)
        for hop in _hops(forwarded):
            if not trusted:
                break
            found, trusted = hop, lies_in(hop, self._named)
        return found


def is_local(scope: Scope) -> bool:
    """Return whether a request came by a Unix socket: whoever may open that is the operator's proxy."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _hops(fields: Sequence[str]) -> Iterator[Address]:
    """Yield the addresses, the nearest first, up to one that is none."""
    for text in reversed(",".join(fields).split(",")[-MOST_HOPS:]):
        match = _HOP.fullmatch(text.strip())
        if match is None:
            return
        address = parsed(match[1] or match[2] or match[3])
        if address is None:
            return
        yield address


def parsed(text: str) -> Address | None:
    """Return the IP address, an IPv4-mapped one as the IPv4 address inside; None where it is none."""
    try:
        return unmapped(ip_address(text))
    except ValueError:
        return None
