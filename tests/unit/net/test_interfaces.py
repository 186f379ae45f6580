"""The machine's own addresses, asked of the kernel."""

import re
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from streamzip.net.interfaces import KNOWN_FOR, OwnAddresses


def test_own_addresses_are_those_that_the_kernel_lists() -> None:
    """All of IPv4 that /proc names as a host's own route, and of IPv6 that it names at all, the loopback among them."""
    table = Path("/proc/net/fib_trie").read_text()
    listed = {ip_address(found) for found in re.findall(r"\|-- (\S+)\n +/32 host LOCAL", table)}
    with Path("/proc/net/if_inet6").open() as lines:
        listed |= {ip_address(bytes.fromhex(line.split()[0])) for line in lines}
    assert listed
    assert OwnAddresses()() == listed


def test_own_addresses_are_asked_anew_when_some_seconds_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each connection, and not once for all: an interface may get another address."""
    asked: list[int] = []

    def ask(*_: object) -> socket.socket:
        asked.append(1)
        raise OSError

    monkeypatch.setattr(socket, "socket", ask)
    now = 100.0
    own = OwnAddresses(lambda: now)
    assert own() == own() == frozenset()  # where it cannot be asked, the table of addresses has to do
    assert len(asked) == 1
    now += KNOWN_FOR
    own()
    assert len(asked) == 2
