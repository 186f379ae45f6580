"""The Host field: what it may look like (RFC 9112 §3.2), and to which names a gateway without keys answers.

Without keys only the name stands between the gateway and a web page that its user visits: a page of a name that was
rebound to the gateway's address is, to the browser, of the gateway's own site. It cannot have an address for a name.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final, NamedTuple

from streamzip.errors import BadHost, UnknownHost

ANY: Final = "*"

_AUTHORITY = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_ORIGIN = re.compile(r"https?://([^/?#@\\]+)", re.ASCII)


class Authority(NamedTuple):
    """A host in lower case, an IPv6 address in brackets; and its port, where one is given."""

    host: str
    port: str | None

    @property
    def is_address(self) -> bool:
        """Return whether the host is an IP address and no name."""
        return _is_address(self.host.strip("[]"))


def authority(text: str) -> Authority | None:
    """Return the parts of `host[:port]`; None where it is none."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    name = match["name"].lower()
    if name.startswith("[") and not _is_address(name[1:-1]):
        return None
    return Authority(name.removesuffix("."), match["port"])


def authority_of(origin: str) -> Authority | None:
    """Return host and port of an `Origin` field's value; None for `null` and for what is none (RFC 6454 §6.2)."""
    match = _ORIGIN.fullmatch(origin)
    return None if match is None else authority(match[1])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Hosts:
    """The names that are answered to. `named`: those of the operator; None where all are, because keys are set."""

    def __init__(self, named: Collection[str] | None) -> None:
        self._named = None if named is None or ANY in named else frozenset({"localhost", *named})

    def check(self, fields: list[bytes], http_version: str) -> None:
        """Hold a request's Host fields to their grammar and to the names. Raises BadHost, UnknownHost."""
        if len(fields) > 1:
            raise BadHost("the request has more than one Host header")
        if not fields:
            if http_version == "1.0":
                return
            raise BadHost("the request has no Host header")
        asked = authority(fields[0].decode("latin-1"))
        if asked is None:
            raise BadHost("the Host header names no host")
        if self._named is not None and asked.host not in self._named and not asked.is_address:
            raise UnknownHost(
                f"without API keys this gateway answers only to names that it knows; "
                f"if {asked.host} is one of its own, add it to STREAMZIP_ALLOWED_HOSTS"
            )
