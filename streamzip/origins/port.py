"""The port: what a source of bytes can be asked, whatever its scheme. One adapter lies beside this file per scheme.

Every call is one attempt. Who calls decides whether and when to try again (net/retry.py), because only the caller knows
what it holds already and who waits for it.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from streamzip.manifest.fields import Fields
from streamzip.spans import Data


class Validator(NamedTuple):
    """What names one representation of a file. Only a strong one promises the same bytes (RFC 9110, 8.8.1).

    `value` is as it stands in the header field: an ETag with its quotes, or a Last-Modified date. A strong ETag that is
    not `strong` here is one of an origin whose ETags were seen to change with the same file: it proves nothing.
    """

    value: str
    strong: bool

    @property
    def doubted(self) -> bool:
        """Return whether it would be strong, but for its origin."""
        return not self.strong and self.value.startswith('"')


class Facts(NamedTuple):
    """What an answer tells of the whole file, whichever part of it was asked for.

    `size` in bytes, None where the origin did not say; `ranges`: it answers ranges with parts; `mtime` in seconds since
    the epoch; `body` only where a probe was given all of it. `disposition`: the Content-Disposition field.
    """

    size: int | None
    validator: Validator | None
    ranges: bool
    mtime: int | None
    content_type: str | None
    body: bytes | None = None
    disposition: str | None = None


class Opened(NamedTuple):
    """A live exchange. `start` is the offset in the file of the first chunk: 0 where the origin gave the whole file.
    `facts` tells its size, its validator and of ranges; the rest need not be there.

    `chunks` can be walked once and raises OriginError. It ends without one only where every byte that the answer had
    promised came; a body that promised no length ends where the connection does, and proves nothing. `waited`: seconds
    that the request waited for its turn at the origin. `ends`: where they end, if the origin said that this is before
    what was asked for.
    """

    facts: Facts
    start: int
    chunks: AsyncIterator[Data]
    waited: float = 0.0
    ends: int | None = None


class Source(Protocol):
    """Where the bytes of an entry come from. Raises OriginError, with its code, and whether it is worth another try."""

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "Source":
        """Return this source for one entry, whose own header fields go to its origin, where it is one on the web.
        `decode`: what the origin compresses unasked is decoded.
        """

    def origin(self, url: str) -> str:
        """Return what connections for `url` are counted by: the `host:port` that is dialled for it, or a name that all
        files of the scheme share. Raises OriginError (`unsafe_url`).
        """

    async def probe(self, url: str, *, keep: int = 0, patient: bool = True) -> Facts:
        """Return the facts of the file at `url`, and its body where it has at most `keep` bytes. `patient`: somebody
        waits for them, so that an origin which throttles is asked again and again.
        """

    def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
    ) -> AbstractAsyncContextManager[Opened]:
        """Return the bytes `[start, stop)` of the file at `url`; `stop` None: to its end.

        A strong `pin` is sent along (If-Range), so that another representation comes whole, and not as a part. An
        origin may always answer with the whole file: look at `Opened.start`. Leaving early drops the connection.
        `within`: seconds until the answer must have begun, from its turn on; None: as long as any request may take.
        """
