"""Links that expire: `?expires=…&signature=…` after a path, given out by whoever has the secret.

The signature is the whole HMAC-SHA256, under a key of the ring, of the length-prefixed key id, method class, path and
expiry. There is one way to write such a link, and any other is refused: one more parameter, another order, an
upper-case digit, an escaped slash in the path.
"""

import math
import re

from streamzip.access.keyring import KeyRing
from streamzip.errors import Forbidden

_QUERY = re.compile(rb"expires=([1-9][0-9]{0,11})&signature=([0-9a-f]{64})")
_READS = frozenset({"GET", "HEAD"})


class SignedLinks:
    """`lifetime`: seconds for which a link is good where nobody says otherwise."""

    def __init__(self, keys: KeyRing, *, lifetime: float) -> None:
        self._keys = keys
        self._lifetime = lifetime

    def query(self, path: str, *, now: float, seconds: float | None = None) -> str:
        """Return what is to follow `path` and a question mark, good for GET and HEAD from `now` (epoch s) on."""
        expires = str(math.ceil(now + (self._lifetime if seconds is None else seconds)))
        return f"expires={expires}&signature={self._keys.link('read', path, expires)}"

    def check(self, method: str, path: bytes, query: bytes, *, now: float, instead: bytes | None = None) -> str:
        """Return until when a link lets this request in. `path` and `query` as they came, nothing decoded; `instead`:
        a path whose signature is as good. Raises Forbidden.
        """
        paths = (path,) if instead is None else (path, instead)
        match = _QUERY.fullmatch(query)
        # The expiry counts only once the signature over it is known to be ours.
        if method not in _READS or match is None or not any(self._is_ours(path, *match.groups()) for path in paths):
            raise Forbidden("this link is not signed, or was changed; ask for a new one")
        if now >= int(match[1]):
            raise Forbidden("this link has expired; ask for a new one", code="link_expired")
        return match[1].decode()

    def _is_ours(self, path: bytes, expires: bytes, signature: bytes) -> bool:
        return path.isascii() and self._keys.is_link(signature.decode(), "read", path.decode(), expires.decode())


def signature_in(query: bytes) -> bytes:
    """Return what signs a link, out of a query that has other parameters too."""
    return b"&".join(each for each in query.split(b"&") if each.startswith((b"expires=", b"signature=")))
