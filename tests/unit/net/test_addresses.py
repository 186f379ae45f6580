"""The dial guard, on addresses as they come from a literal or a resolver."""

import socket
from ipaddress import ip_address, ip_network

import pytest

from streamzip.net.addresses import AddressInfo, BlockedAddressError, DialGuard


def address(host: str, port: int = 80) -> AddressInfo:
    """What a resolver gives, and a socket factory is handed."""
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_guard_lets_an_address_be_dialled_when_the_address_is_public(host: str) -> None:
    """Public addresses are what the gateway is for."""
    DialGuard().judge(address(host))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0.0.0.0", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%1"],
)
def test_guard_refuses_when_the_address_is_not_public(host: str) -> None:
    """What is_public refuses is not dialled, in whatever dress it comes."""
    with pytest.raises(BlockedAddressError):
        DialGuard().judge(address(host))


def test_guard_refuses_the_address_of_an_exempted_origin() -> None:
    """An allow-listed host:port exempts that origin; its address stays closed to whoever else resolves to it."""
    guard = DialGuard(frozenset({"127.0.0.1:80"}))
    assert guard.exempts("127.0.0.1:80")
    assert not guard.exempts("127.0.0.1:81")
    with pytest.raises(BlockedAddressError):
        guard.judge(address("127.0.0.1", 80))


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::5"])
def test_guard_lets_an_address_be_dialled_when_the_address_lies_in_an_allowed_network(host: str) -> None:
    """A network is opened for every name, also where an IPv6 address wraps one of its IPv4 addresses."""
    DialGuard(allow_networks=[ip_network("10.0.0.0/8"), ip_network("fd00::/64")]).judge(address(host))


@pytest.mark.parametrize("host", ["192.168.0.1", "fd00:0:0:1::5", "::10.1.2.3"])
def test_guard_refuses_when_the_private_address_lies_beside_the_allowed_networks(host: str) -> None:
    """Only the networks named are opened: not their neighbours, nor other ways to write IPv4 into IPv6."""
    guard = DialGuard(allow_networks=[ip_network("10.0.0.0/8"), ip_network("fd00::/64")])
    with pytest.raises(BlockedAddressError):
        guard.judge(address(host))


@pytest.mark.parametrize("host", ["93.184.216.34", "::ffff:93.184.216.34", "2606:2800:220:1::1"])
def test_guard_refuses_when_the_public_address_is_the_machine_s_own(host: str) -> None:
    """What listens there is reached from inside, past the firewall; the operator can open it as any other network."""
    own = {ip_address("93.184.216.34"), ip_address("2606:2800:220:1::1")}
    with pytest.raises(BlockedAddressError):
        DialGuard(own=lambda: own).judge(address(host))
    networks = [ip_network("93.184.216.34"), ip_network("2606:2800:220:1::1")]
    DialGuard(allow_networks=networks, own=lambda: own).judge(address(host))


def test_guard_says_the_same_for_every_address() -> None:
    """The text is public: it must not tell two inner addresses apart."""
    texts = set()
    for host in ("127.0.0.1", "10.0.0.1", "::1"):
        with pytest.raises(BlockedAddressError) as caught:
            DialGuard().judge(address(host))
        texts.add(str(caught.value))
    assert len(texts) == 1
