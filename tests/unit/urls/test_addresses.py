from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest

from streamzip.urls.addresses import is_public

# One of each block that IANA keeps from the public internet, IPv4 first and last of the block.
PRIVATE = [
    *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0"),
    *("127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255"),
    *("192.0.0.0", "192.0.0.8", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.1", "192.168.0.0"),
    *("192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "203.0.113.255", "224.0.0.0"),
    *("239.255.255.255", "240.0.0.0", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"),
    *(
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::7f00:1",
        "100::1",
        "1fff:ffff::",
        "2001::",
        "2001:1ff:ffff::1",
    ),
    *("2001:db8::1", "2001:db8:ffff::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "3fff:fff:ffff::1", "4000::"),
    *(
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ffff::1",
        "fe80::1%eth0",
    ),
    *("2607:f8b0::5efe:7f00:1", "2607:f8b0::200:5efe:a00:1"),
]
PUBLIC = [
    *("1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"),
    *("191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0"),
    *("223.255.255.255", "::ffff:8.8.8.8", "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1"),
    *("2001:db9::", "2003::1", "2606:4700:4700::1111", "2a00:1450:4001::8a", "3ffe:ffff::1", "3fff:1000::1"),
    *("2607:f8b0::5efe:808:808", "2607:f8b0::5eff:7f00:1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_is_public_refuses_when_the_block_is_not_of_the_internet(address: str) -> None:
    """No address of a special block may be dialled, whatever this Python's is_global makes of it."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_is_public_allows_the_neighbours_of_each_block(address: str) -> None:
    """The blocks end where the RFCs say, so that no public origin is lost."""
    assert is_public(ip_address(address))


def test_is_public_is_never_wider_than_the_standard_library() -> None:
    """What ipaddress calls private is refused here as well, in every block that it lists."""
    blocks = ["10.0.0.0/8", "127.0.0.0/8", "192.0.0.0/29", "198.18.0.0/15", "240.0.0.0/4"]
    for block in blocks:
        network = IPv4Network(block)
        assert not is_public(network[0])
        assert not is_public(network[-1])
        assert not is_public(IPv6Address(f"::ffff:{network[-1]}"))
    for block in ["::/3", "4000::/2", "8000::/1", "2001:db8::/32", "2002::/16"]:
        network6 = IPv6Network(block)
        assert not is_public(network6[1])
        assert not is_public(network6[-2])
