"""Bodies that an origin compressed although it was asked not to, decoded within bounds. Pure.

For web pages alone: a file's bytes are its own, and its length and ranges are counted in them.
"""

import zlib
from typing import Final

from streamzip.errors import OriginError

_GZIP_OR_ZLIB: Final = 47  # zlib's window bits: either head is recognised
_RAW: Final = -15  # "deflate" without zlib's head, as some servers send it
DECODABLE: Final = frozenset({"gzip", "x-gzip", "deflate"})


def decoded(body: bytes, coding: str, *, most: int) -> bytes:
    """Return at least the first `most` bytes of what the body holds, and hardly more, whatever it would grow to.

    Raises OriginError where it is not of that coding (RFC 9110 §8.4.1).
    """
    windows = (_GZIP_OR_ZLIB, _RAW) if coding == "deflate" else (_GZIP_OR_ZLIB,)
    for window in windows:
        try:
            return zlib.decompressobj(window).decompress(body, most + 1)
        except zlib.error:
            continue
    raise OriginError("content_encoded", "the origin says that it compressed the page, and its bytes say otherwise")
