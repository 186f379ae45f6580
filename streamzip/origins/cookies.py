"""Cookies of one chain of redirects (RFC 6265): a server that wants its own back gets it, and nobody keeps any."""

import re
from collections.abc import Iterable
from typing import Final

from streamzip.manifest.fields import Fields
from streamzip.urls.urls import Target, target_of

MOST: Final = 20  # cookies in one chain
_PAIR = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256})=([\x20-\x3a\x3c-\x7e]{0,4096})")
_OVER = re.compile(r";\s*max-age\s*=\s*(?:0+|-[0-9]+)\s*(?:;|$)|;\s*expires\s*=[^;]*\b(?:1970|1969)\b", re.IGNORECASE)
_SECURE = re.compile(r";\s*secure\s*(?:;|$)", re.IGNORECASE)
_PATH = re.compile(r";\s*path\s*=\s*(/[^;]*)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Cookies:
    """The cookies that the hops of one chain have set, each for its own host and path alone."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], tuple[str, bool]] = {}  # by host, path and name: value, for TLS alone

    def take(self, url: str, set_cookies: Iterable[str]) -> None:
        """Keep what the answer to `url` sets."""
        for text in set_cookies:
            pair = _PAIR.match(text.strip())
            if pair is None:
                continue
            target, path = target_of(url), _PATH.search(text)
            key = (_host(target), _folder(target) if path is None else path[1].strip(), pair[1])
            if _OVER.search(text):
                self._kept.pop(key, None)
            elif len(self._kept) < MOST or key in self._kept:
                self._kept[key] = pair[2].strip(), _SECURE.search(text) is not None

    def added(self, url: str, fields: Fields) -> Fields:
        """Return the fields of a request to `url`, with the cookies that are for it."""
        if not self._kept:
            return fields
        target = target_of(url)
        path = target.path.partition("?")[0]
        mine = [
            f"{name}={value}"
            for (host, prefix, name), (value, secure) in self._kept.items()
            if host == _host(target) and _lies_in(path, prefix) and (target.scheme == "https" or not secure)
        ]
        if not mine:
            return fields
        own = [value for name, value in fields if name.lower() == "cookie"]
        return (*(each for each in fields if each[0].lower() != "cookie"), ("Cookie", "; ".join([*own, *mine])))


def _host(target: Target) -> str:
    """Return what a cookie is bound to: a host, whose default ports are one server; any other port is another."""
    return target.host if target.port == _DEFAULT_PORTS[target.scheme] else target.origin


def _folder(target: Target) -> str:
    return target.path.partition("?")[0].rpartition("/")[0] or "/"


def _lies_in(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")
