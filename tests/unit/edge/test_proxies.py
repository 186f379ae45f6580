"""What a proxy tells of a request, and which proxies are believed in what."""

from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest

from streamzip.edge.proxies import Proxies, parsed

NAMED = Proxies((IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/64")))
NONE = Proxies(())


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "scheme"),
    [
        (NONE, "127.0.0.1", ["https"], "https"),
        (NONE, "::1", ["https"], "https"),
        (NONE, "::ffff:127.0.0.1", ["https"], "https"),
        (NONE, "192.0.2.1", ["https"], "http"),
        (NAMED, "192.0.2.1", ["https"], "https"),
        (NAMED, "::ffff:192.0.2.1", ["HTTPS"], "https"),
        (NAMED, "192.0.2.1", ["https,http"], "http"),
        (NAMED, "192.0.2.1", ["http, https"], "https"),
        (NAMED, "192.0.2.1", ["http", "https"], "https"),
        (NAMED, "192.0.2.1", ["javascript"], "http"),
        (NAMED, "192.0.2.1", [","], "http"),
        (NAMED, "192.0.2.1", [], "http"),
    ],
)
def test_scheme_is_the_nearest_proxys_word(proxies: Proxies, peer: str, forwarded: list[str], scheme: str) -> None:
    """From this machine's and the named proxies; of a list, what the last one wrote."""
    assert proxies.scheme(parsed(peer), "http", forwarded) == scheme


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "client"),
    [
        (NONE, "127.0.0.1", ["198.51.100.7"], "127.0.0.1"),
        (NONE, "::ffff:198.51.100.7", [], "198.51.100.7"),
        (NAMED, "198.51.100.1", ["198.51.100.7"], "198.51.100.1"),
        (NAMED, "192.0.2.1", ["198.51.100.7"], "198.51.100.7"),
        (NAMED, "::ffff:192.0.2.1", ["198.51.100.7"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["198.51.100.7, 192.0.2.9, 2001:db8::5"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["192.0.2.8, 192.0.2.9"], "192.0.2.8"),
        (NAMED, "192.0.2.1", ["198.51.100.7:4711"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
        (NAMED, "192.0.2.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        (NAMED, "192.0.2.1", ["198.51.100.7, unknown"], "192.0.2.1"),
        (NAMED, "192.0.2.1", ["198.51.100.7, 999.1.1.1"], "192.0.2.1"),
        (NAMED, "192.0.2.1", ["", " , "], "192.0.2.1"),
        (NAMED, "192.0.2.1", [", ".join(["198.51.100.7"] * 10_000)], "198.51.100.7"),
    ],
)
def test_client_is_whom_a_named_proxy_was_asked_by(
    proxies: Proxies, peer: str, forwarded: list[str], client: str
) -> None:
    """What stands before that in the list is a claim; nothing on this machine is believed that was not named."""
    assert proxies.client(parsed(peer), forwarded) == ip_address(client)


def test_request_without_an_address_stays_without() -> None:
    """A Unix socket has none."""
    assert NAMED.client(None, ["198.51.100.7"]) is None
    assert NAMED.scheme(None, "http", ["https"]) == "http"
