"""References of a web page as URLs, resolved as the URL standard has it for http and https ("basic URL parser"). Pure.

The library's `urljoin` follows RFC 3986 instead: it takes empty segments out of paths, so that `cdn//a.png` was another
file, knows no backslash, and leaves `%2e%2e` as a name.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

_AROUND: Final = "".join(map(chr, range(0x21)))  # C0 controls and the space
_BREAKS: Final = re.compile(r"[\t\n\r]")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"/*([^/]*)(.*)", re.DOTALL)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_HERE: Final = frozenset({".", "%2e"})
_UP: Final = frozenset({"..", ".%2e", "%2e.", "%2e%2e"})
# Already escaped or allowed letters stay as they are: a signature may cover each of them.
_KEPT: Final = "%/:@!$&()*+,;=-._~[]|"
_IN_QUERY: Final = _KEPT + "?`{}^"  # a backslash too, to browsers; our guard takes it for an attack


def resolved(base: str, reference: str) -> str | None:
    """Return the absolute URL without its fragment; None where it is none of http or https, or the page itself."""
    reference = _BREAKS.sub("", reference.strip(_AROUND)).partition("#")[0]
    if not reference:
        return None
    try:
        page = urlsplit(base)
    except ValueError:
        return None
    rest, mark, query = reference.partition("?")
    named = _SCHEME.match(rest)
    scheme = page.scheme if named is None else named[1].lower()
    if scheme not in _DEFAULT_PORTS:
        return None
    rest = rest[0 if named is None else named.end() :].replace("\\", "/")
    if rest.startswith("//") or scheme != page.scheme:  # however many slashes there are, or none
        found = _AUTHORITY.fullmatch(rest)
        host, path = ("", "") if found is None else (found[1], found[2])
    else:
        host = page.netloc
        if not rest:  # a query alone
            path, query = page.path, query if mark else page.query
        else:
            path = rest if rest.startswith("/") else f"{page.path.rpartition('/')[0]}/{rest}"
    if not _is_host(host):
        return None
    asked = f"?{quote(query, safe=_IN_QUERY, errors='replace')}" if mark else ""
    host = host.lower().removesuffix(_DEFAULT_PORTS[scheme])
    return f"{scheme}://{host}{quote(_walked(path), safe=_KEPT + chr(39), errors='replace')}{asked}"


def _is_host(text: str) -> bool:
    try:
        urlsplit(f"//{text}")
    except ValueError:  # brackets that hold no IPv6 address
        return False
    return bool(text)


def _walked(path: str) -> str:
    """Return the path without steps to where it is and up; empty segments are names as others are."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for number, segment in enumerate(segments):
        step = segment.lower()
        if step in _UP:
            del kept[-1:]
        elif step not in _HERE:
            kept.append(segment)
            continue
        if number == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)
