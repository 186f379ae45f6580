"""The Host field and the Origin field: what is a host, and which hosts are answered to."""

import pytest

from streamzip.edge.hosts import Authority, Hosts, authority, authority_of
from streamzip.errors import BadHost, UnknownHost


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("zip.example", "zip.example", None),
        ("ZIP.Example.:8000", "zip.example", "8000"),
        ("192.0.2.7:80", "192.0.2.7", "80"),
        ("[2001:db8::1]:8000", "[2001:db8::1]", "8000"),
        ("[::ffff:192.0.2.7]", "[::ffff:192.0.2.7]", None),
        ("a_b", "a_b", None),
    ],
)
def test_authority_is_read(text: str, host: str, port: str | None) -> None:
    """In lower case, without the dot of the root, the port apart."""
    assert authority(text) == Authority(host, port)
    assert authority_of(f"https://{text}") == Authority(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "a/b", "x@y", "a:", "a:x", "a:65536", "a:123456", "[::::]", "[::1", "::1", "[]", "[1]", "a\x00"),
        *("-a", ".a", "[fe80::1%25eth0]", "é.example", "a" * 256),
    ],
)
def test_authority_is_refused(text: str) -> None:
    """What no browser and no client writes as a host is none."""
    assert authority(text) is None
    assert authority_of(f"http://{text}") is None


@pytest.mark.parametrize("origin", ["null", "", "http://", "http://[", "a.example", "ftp://a.example", "http://a/b"])
def test_origin_that_is_none_has_no_authority(origin: str) -> None:
    """`null` is what browsers send for a page that has no origin of its own."""
    assert authority_of(origin) is None


def test_two_hosts_or_none_are_refused() -> None:
    """Also two alike, for a proxy in front may read the other one; HTTP/1.0 need not send any (RFC 9112 §3.2)."""
    hosts = Hosts(None)
    for fields in ([b"a", b"a"], [b"a", b"b"], [b"a b"], [b""], [b"[::::]"], [b"\xff"]):
        with pytest.raises(BadHost):
            hosts.check(fields, "1.1")
    with pytest.raises(BadHost):
        hosts.check([], "1.1")
    hosts.check([], "1.0")


def test_names_are_answered_to_when_the_operator_named_them() -> None:
    """Addresses and localhost always: no other site's page can have them."""
    hosts = Hosts({"zip.example"})
    for known in (b"zip.example", b"ZIP.example:8000", b"localhost:1", b"127.0.0.1:8000", b"[::1]", b"203.0.113.9"):
        hosts.check([known], "1.1")
    for unknown in (b"evil.example", b"localhost.evil.example", b"a.zip.example", b"127.0.0.1.nip.example", b"127.1"):
        with pytest.raises(UnknownHost) as refused:
            hosts.check([unknown], "1.1")
        assert "STREAMZIP_ALLOWED_HOSTS" in refused.value.detail
    for hosts in (Hosts({"*"}), Hosts(None)):
        hosts.check([b"evil.example"], "1.1")
