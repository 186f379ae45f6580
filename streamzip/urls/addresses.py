"""Which IP addresses the gateway may dial: only those of the public internet.

`ipaddress.is_global` is no such guard: Python 3.11 takes NAT64, 6to4, IPv4-compatible, site-local and multicast
addresses for global, and versions differ. So IPv4 is judged by a table, and IPv6 by what may pass.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# What the operator exempts from the judgement: origins as `host:port`, and whole networks.
Exempt = frozenset[str] | frozenset[Network] | frozenset[str | Network]

# What is said of one that may not be dialled; the same for all, so that it maps no network.
NOT_PUBLIC = "the address is not one of the public internet"

_DENIED_IPV4 = (
    "0.0.0.0/8",  # "this network", RFC 791; Linux connects 0.0.0.0 to itself
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; Alibaba's metadata is 100.100.100.200
    "127.0.0.0/8",  # loopback, RFC 1122
    "168.63.129.16/32",  # a public address, but Azure's host agent answers there from inside of every machine
    "169.254.0.0/16",  # link-local, RFC 3927; cloud metadata is 169.254.169.254
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's metadata is 192.0.0.192
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private, RFC 1918
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved, RFC 1112; 255.255.255.255 is the broadcast
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291; all else is loopback, NAT64, unique local, link-local, multicast
_DENIED_IPV6 = (
    "2001::/23",  # protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056: an IPv4 address in disguise
    "3fff::/20",  # documentation, RFC 9637
)
# RFC 5214 (ISATAP): an interface id of 0:5efe:a.b.c.d or 200:5efe:a.b.c.d tunnels to the IPv4 address at its end.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def _bounds(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    return int(network.network_address), int(network.broadcast_address)


# As pairs of numbers: `address in network` takes 1 µs a network, and a hostile list may hold a million literals.
_IPV4 = tuple(_bounds(IPv4Network(network)) for network in _DENIED_IPV4)
_IPV6 = tuple(_bounds(IPv6Network(network)) for network in _DENIED_IPV6)
_FIRST_GLOBAL, _LAST_GLOBAL = _bounds(_GLOBAL_UNICAST)


def unmapped(ip: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped one (RFC 4291 §2.5.5.2), and any other as it is.

    It is dialled as that one, and a socket that listens on `::` tells an IPv4 peer so.
    """
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def is_public(ip: Address) -> bool:
    """Return whether `ip` belongs to the public internet. An IPv4-mapped IPv6 address is judged by the IPv4 address
    inside.
    """
    ip = unmapped(ip)
    if isinstance(ip, IPv6Address):
        number = int(ip)
        if not _FIRST_GLOBAL <= number <= _LAST_GLOBAL or any(first <= number <= last for first, last in _IPV6):
            return False
        is_isatap = number >> 32 & 0xFFFF_FFFF in _ISATAP
        return not is_isatap or is_public(IPv4Address(number & 0xFFFF_FFFF))
    number = int(ip)
    return not any(first <= number <= last for first, last in _IPV4)


def lies_in(ip: Address, networks: Iterable[Network]) -> bool:
    """Return whether `ip` is in one of the networks. An IPv4-mapped address counts as the IPv4 address inside."""
    inner = unmapped(ip)
    return any(inner.version == network.version and inner in network for network in networks)


def is_loopback(host: str) -> bool:
    """Return whether a host to listen on, an address or `localhost`, is reached from this machine alone."""
    try:
        return unmapped(ip_address(host)).is_loopback
    except ValueError:
        return host == "localhost"
