import re
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from urllib.parse import urlsplit

import httpx
import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.origins.fetch import written
from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import check_url, origin_of, target_of
from tests.support.hostile_urls import JUDGED_AT_DIAL, REFUSED, hostile_urls

ACCEPTED = [
    ("http://example.com", "example.com:80"),
    ("https://example.com/", "example.com:443"),
    ("HTTPS://Example.COM:8443/a.png?b=c&d=https://e#f", "example.com:8443"),
    ("http://example.com?a@b", "example.com:80"),
    ("http://example.com/@a:b//c", "example.com:80"),
    ("http://example.com./", "example.com.:80"),
    ("http://my_bucket.s3.amazonaws.com/k", "my_bucket.s3.amazonaws.com:80"),
    ("http://origin:8080/a", "origin:8080"),
    ("http://1e100.net/", "1e100.net:80"),
    ("http://127.0.0.1.nip.io/", "127.0.0.1.nip.io:80"),
    ("http://0xcafe.example/", "0xcafe.example:80"),
    ("http://8.8.8.8:65535/", "8.8.8.8:65535"),
    ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]:443"),
    ("https://[2606:4700:4700:0:0:0:0:1111]:2/", "[2606:4700:4700::1111]:2"),
    ("http://[::ffff:8.8.8.8]/", "[::ffff:808:808]:80"),
    ("https://Bücher.example/ä/日本.png", "xn--bcher-kva.example:443"),
    ("https://xn--bcher-kva.example/", "xn--bcher-kva.example:443"),
    ("https://xn--ls8h.example/", "xn--ls8h.example:443"),
    ("https://-a.b-.example/", "-a.b-.example:443"),
    ("https://r4---sn-x.example/", "r4---sn-x.example:443"),
    ("https://" + "a" * 63 + ".com/", "a" * 63 + ".com:443"),
]


def refusal(url: str, allow: Exempt = frozenset()) -> str:
    """The sentence with which `url` is refused; empty if it is not."""
    try:
        check_url(url, allow)
    except ValueError as error:
        assert type(error) is ValueError, "the sentence has to be ours, not an encoder's"
        return str(error)
    return ""


def test_hostile_urls_are_enough() -> None:
    """The table that the dial guard's tests share keeps its size and its classes."""
    assert len(set(hostile_urls())) >= 250
    assert len(REFUSED) >= 31


@pytest.mark.parametrize("url", hostile_urls(), ids=ascii)
def test_check_url_refuses_when_the_url_is_hostile(url: str) -> None:
    """Each is refused with a sentence that repeats nothing of the URL, which may hold secrets."""
    sentence = refusal(url)
    assert sentence
    assert len(url) < 8 or url not in sentence


@pytest.mark.parametrize(("url", "origin"), ACCEPTED)
def test_check_url_accepts_when_the_url_is_public(url: str, origin: str) -> None:
    """Ordinary URLs pass, and their origin is named one way only."""
    assert refusal(url) == ""
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", JUDGED_AT_DIAL)
def test_check_url_leaves_names_to_the_dial_guard(url: str) -> None:
    """A name is not judged before it is resolved."""
    assert refusal(url) == ""


@pytest.mark.parametrize(
    ("url", "allowed", "passes"),
    [
        ("http://127.0.0.1:8080/a", "127.0.0.1:8080", True),
        ("http://127.0.0.1/a", "127.0.0.1:80", True),
        ("https://127.0.0.1/a", "127.0.0.1:443", True),
        ("http://[0:0::1]:9000/a", "[::1]:9000", True),
        ("http://127.0.0.1:8081/a", "127.0.0.1:8080", False),
        ("https://127.0.0.1/a", "127.0.0.1:80", False),
        ("http://127.0.0.2:8080/a", "127.0.0.1:8080", False),
        ("http://[::ffff:127.0.0.1]:8080/a", "127.0.0.1:8080", False),
        ("http://127.1:8080/a", "127.0.0.1:8080", False),
        ("http://127.1:8080/a", "127.1:8080", False),
        ("http://user@127.0.0.1:8080/a", "127.0.0.1:8080", False),
        ("http://127.0.0.1:8080@127.0.0.1:22/", "127.0.0.1:8080", False),
    ],
)
def test_check_url_exempts_exact_origins_only(url: str, allowed: str, passes: bool) -> None:
    """The allow-list opens one host and port, and never excuses the URL's form."""
    assert (refusal(url, frozenset({allowed})) == "") is passes


def test_check_url_does_not_carry_an_exemption_over() -> None:
    """A URL that passed under an allow-list is refused without it."""
    assert refusal("http://10.0.0.1:81/", frozenset({"10.0.0.1:81"})) == ""
    assert refusal("http://10.0.0.1:81/") != ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("upload:a.png", "upload: names an uploaded file"),
        ("ftp://example.com/", "only http:// and https://"),
        ("example.com/a.png", "not an absolute URL"),
        ("http:/example.com/", "two slashes"),
        ("http://u:p@example.com/", "no user name or password"),
        ("http://example.com:0/", "1 to 65535"),
        ("http://127.1/", "ends in a number"),
        ("http://127.0.0.1/", "public internet"),
        ("http://a b/", "no spaces"),
        ("http://a\\b/", "backslash"),
    ],
)
def test_check_url_says_what_is_wrong(url: str, words: str) -> None:
    """The sentence tells the client what to change."""
    assert words in refusal(url)


@pytest.mark.parametrize("piece", ["ü", "xn--", "xn--a.", "[", ":", "1.", "0x", "-", "a" * 63 + "."])
def test_check_url_is_quick_when_the_host_is_long(piece: str) -> None:
    """No host of 8 kB costs more than a moment: one list may hold a hundred thousand."""
    began = time.process_time()
    assert refusal(f"http://{piece * (8000 // len(piece))}/")
    assert time.process_time() - began < 0.2


NETWORKS = frozenset({ip_network("10.0.0.0/8"), ip_network("fd00::/64")})


@pytest.mark.parametrize("url", ["http://10.1.2.3/", "https://[fd00::5]:8443/", "http://[::ffff:10.1.2.3]/"])
def test_check_url_accepts_when_the_address_lies_in_an_allowed_network(url: str) -> None:
    """What the operator opened is open to addresses written into URLs too, as it is to names that resolve there."""
    assert refusal(url)
    assert refusal(url, NETWORKS) == ""


@pytest.mark.parametrize(
    "url", ["http://192.168.0.1/", "http://[fd00:0:0:1::5]/", "http://0x0a010203/", "http://10.1/"]
)
def test_check_url_refuses_when_the_address_lies_beside_the_allowed_networks(url: str) -> None:
    """Neither their neighbours nor other spellings of their addresses."""
    assert refusal(url, NETWORKS)


pieces = st.one_of(
    st.sampled_from(
        [*"@:/?#[].-%\\", "//", "://", "127.0.0.1", "::1", "0x7f", "1", "80", "a", "example.com", "xn--", "ü"]
    ),
    st.sampled_from(
        ["。", "％", "①", "ß", "\u200d", "%2e", "%40", "%00", "\t", " ", "|", ";", "&", "=", "+", "~", "_"]
    ),
)


@settings(deadline=None, max_examples=2000)
@given(st.sampled_from(["http://", "https://", "HTTP://", ""]), st.lists(pieces, max_size=9))
def test_what_check_url_takes_has_one_host_for_every_parser(scheme: str, rest: list[str]) -> None:
    """Two parsers that disagree about a URL's host are a hole: one judges it, another dials."""
    url = scheme + "".join(rest)
    try:
        check_url(url)
    except ValueError:
        return
    target = target_of(url)
    assert {host_of(parse, url) for parse in (urllib, httpx_of)} == {target.host}
    assert target_of(written(url))[:4] == target[:4]
    assert re.search(r"[\s\\#]", target.path) is None


def urllib(url: str) -> str:
    return urlsplit(url).hostname or ""


def httpx_of(url: str) -> str:
    return httpx.URL(url).raw_host.decode()


def host_of(parse: Callable[[str], str], url: str) -> str:
    """The host that a parser sees, in the form of `target_of`."""
    host = parse(url).lower()
    if ":" in host:
        return IPv6Address(host).compressed
    return host if host.isascii() else idna.encode(host).decode()


@pytest.mark.parametrize("port", [1, 21, 22, 25, 53, 110, 143, 465, 587, 993, 2049, 4190, 5060, 6000, 6697, 10080])
def test_port_of_another_service_is_refused(port: int) -> None:
    """Those that browsers refuse too, for names and addresses; an exact exemption opens it, a network does not."""
    for host in ("files.example", "8.8.8.8", "10.0.0.1"):
        for allow in (frozenset(), frozenset({ip_network("10.0.0.0/8")})):
            with pytest.raises(ValueError, match=f"port {port} is not"):
                check_url(f"https://{host}:{port}/a", allow)
        check_url(f"https://{host}:{port}/a", frozenset({f"{host}:{port}"}))


def test_port_of_a_web_server_is_taken() -> None:
    """The usual ones, and those that nobody else has a claim to."""
    for port in (80, 443, 8000, 8080, 8443, 3000, 9000, 49152):
        check_url(f"http://files.example:{port}/")
