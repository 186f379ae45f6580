"""Which URLs a client may name: judged by their letters alone, without a resolver.

One strict grammar, refused at the first doubt, because two parsers that disagree about a URL's host are a hole: what
passes here has the same host for RFC 3986, WHATWG and glibc. Host *names* are judged when they are dialled (net/), also
those that IDNA or RFC 1123 would not have: a list is not to be refused for one name that cannot be found.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

from streamzip.urls.addresses import NOT_PUBLIC, Exempt, Network, is_public, lies_in

# What no browser connects to either (Fetch standard, "bad port"): services that could be spoken to by what a URL says.
BAD_PORTS: Final = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109),
        *(110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530),
        *(531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045),
        *(4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    }
)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # each parts labels (RFC 3490 §3.1)
_HTTP = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([1-9][0-9]{0,4}))?")
# Hyphens at its ends too: such names are looked up by resolvers (RFC 2181 §11), and refused there or not.
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?")
# WHATWG's "ends in a number": what inet_aton, and so glibc's resolver, may read as an address of one to four parts.
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


def check_url(url: str, allow: Exempt = frozenset()) -> None:
    """Raise `ValueError`, its text a public sentence, unless `url` is absolute, http(s) and names no forbidden address.

    `allow`: origins as `host:port`, and networks, that are exempt from the judgement of addresses, not from that of the
    form.
    """
    scheme, authority = _split(url)
    _judge(scheme, authority, allow)


def origin_of(url: str) -> str:
    """Return the origin that owns `url` as `host:port`, the key of allow-lists. Raises as `check_url`, addresses apart.

    Lower case, the host in ASCII, an IPv6 address in brackets and its shortest form, the port always there.
    """
    return _server(*_split(url))[2]


class Target(NamedTuple):
    """What a URL says to an HTTP client. `host` in ASCII and lower case, an IPv6 address without its brackets;
    `origin` as `origin_of` gives it; `path` with the query, as written.
    """

    scheme: str
    host: str
    port: int
    origin: str
    path: str

    @property
    def host_field(self) -> str:
        """Return what the Host field of a request for it says (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Return where a request for `url` goes and what it asks for there. Raises as `check_url`, addresses apart."""
    scheme, authority = _split(url)
    host, port, origin = _server(scheme, authority)
    path = url[url.index("://") + 3 + len(authority) :].partition("#")[0]
    return Target(scheme, host, port, origin, path if path.startswith("/") else f"/{path}")


@lru_cache(maxsize=4096)
def _server(scheme: str, authority: str) -> tuple[str, int, str]:
    host, port = _origin(scheme, authority)
    return host.strip("[]"), port, f"{host}:{port}"


# Every pull asks for it three times: whose connections it takes, whether it may be dialled, and where it goes.
@lru_cache(maxsize=1024)
def _split(url: str) -> tuple[str, str]:
    # isprintable() is False for controls, bidi and zero width characters, surrogates, and all separators but " ".
    if not url.isprintable() or " " in url:
        raise ValueError("a URL holds no spaces, control or invisible characters; percent-encode them")
    if "\\" in url:
        raise ValueError("a URL holds no backslash; write %5C, or / where a path is meant")
    match = _HTTP.match(url)
    if match is None:
        raise ValueError(_why_not_http(url))
    return match[1].lower(), match[2]


def _why_not_http(url: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "not an absolute URL; it begins with https:// or http://"
    if scheme[1].lower() in _DEFAULT_PORTS:
        return "after http: or https: come two slashes and a host"
    if scheme[1].lower() == "upload":
        return "upload: names an uploaded file, as the url of an archive's entry; here an http or https URL is needed"
    return "only http:// and https:// URLs are taken"


# A list names few origins many times: the memo makes a URL's check 1 µs instead of 5. Only what passes is kept.
@lru_cache(maxsize=4096)
def _judge(scheme: str, authority: str, allow: Exempt) -> None:
    host, port = _origin(scheme, authority)
    if f"{host}:{port}" in allow:
        return
    if port in BAD_PORTS:
        raise ValueError(f"port {port} is not one of web servers")
    address = _address(host)
    if address is None or is_public(address):
        return
    if not lies_in(address, (each for each in allow if isinstance(each, Network))):
        raise ValueError(NOT_PUBLIC)


def _origin(scheme: str, authority: str) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("a URL holds no user name or password")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("the host or port cannot be read; a port is a number from 1 to 65535")
    port = int(match[2]) if match[2] else _DEFAULT_PORTS[scheme]
    if port > 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return _host(match[1]), port


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            if "%" in host:
                raise AddressValueError("a zone")
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError as error:
            raise ValueError("what stands in brackets is not an IPv6 address") from error
    name = _ascii(host).lower()
    if not _NAME.fullmatch(name):
        raise ValueError("the host is missing, or not a name as DNS knows it")
    if _NUMERIC_END.fullmatch(name) and not (host.isascii() and _is_dotted_quad(name)):
        raise ValueError("a host that ends in a number is an IPv4 address of four decimal parts, without leading zeros")
    return name


def _ascii(host: str) -> str:
    # The bound comes before the work: long inputs made idna take seconds once (CVE-2024-3651).
    if len(host) > 254:
        raise ValueError("the host is longer than a name in DNS")
    # An xn-- name that IDNA 2008 does not have, as an emoji's, is one to DNS: its resolver judges it.
    if host.isascii():
        return host
    *labels, last = _DOTS.split(host.lower())
    try:
        return ".".join([*map(_ascii_label, labels), _ascii_label(last) if last else ""])
    except UnicodeError as error:
        raise ValueError("the host is not a valid international name") from error


# A list has many hosts of few domains, and a label takes up to 0.1 ms.
@lru_cache(maxsize=4096)
def _ascii_label(label: str) -> str:
    import idna  # here: its tables are large, and most hosts are written in ASCII

    return idna.alabel(label).decode("ascii")


def _is_dotted_quad(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def _address(host: str) -> IPv4Address | IPv6Address | None:
    if host.startswith("["):
        return IPv6Address(host[1:-1])
    return IPv4Address(host) if _NUMERIC_END.fullmatch(host) else None
