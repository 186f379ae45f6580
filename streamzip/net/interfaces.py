"""The addresses of this machine's own interfaces: a public one among them leads to its own services, not to an origin.

What listens on such an address may trust whoever reaches it from inside, past the firewall that stands before it.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Final

from streamzip.urls.addresses import Address

KNOWN_FOR: Final = 5.0  # seconds that a list counts; an interface may get another address at any time

# rtnetlink(7), linux/netlink.h and linux/if_addr.h
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix, flags, scope, interface
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_NLMSG_ERROR, _NLMSG_DONE, _RTM_NEWADDR, _RTM_GETADDR = 2, 3, 20, 22
_REQUEST_DUMP: Final = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2  # the peer's on a point-to-point link, where IFA_LOCAL is our own


class OwnAddresses:
    """Called, it gives the addresses that the machine has now, or had some seconds ago."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: frozenset[Address] = frozenset()
        self._until = float("-inf")

    def __call__(self) -> frozenset[Address]:
        now = self._monotonic()
        if now >= self._until:
            self._known, self._until = frozenset(_asked()), now + KNOWN_FOR
        return self._known


def _asked() -> Iterator[Address]:
    """Yield what the kernel lists; nothing where a sandbox does not let it be asked: the table of addresses holds all
    the same.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(1.0)
            request = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            kernel.send(_HEADER.pack(_HEADER.size + len(request), _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + request)
            while True:
                answer = kernel.recv(1 << 16)
                at = 0
                while at + _HEADER.size <= len(answer):
                    length, kind, *_ = _HEADER.unpack_from(answer, at)
                    if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                        return
                    if kind == _RTM_NEWADDR:
                        yield from _address(answer[at + _HEADER.size : at + length])
                    at += _aligned(length)
    except OSError:
        return


def _address(message: bytes) -> Iterator[Address]:
    found: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return
        found[kind] = message[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    packed = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
    if len(packed) in (4, 16):
        yield ip_address(packed)


def _aligned(length: int) -> int:
    return -(-max(length, 1) // 4) * 4
