"""The port: what a source needs of whatever carries its requests.

transport.py          the fast way, over connections of our own, with the dial guard beneath
httpx_transport.py    a client of httpx: for proxies, client certificates, HTTP/2, and for tests of logic

tests/contract/test_transports.py holds both to what is said here.
"""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple, Protocol

from streamzip.spans import Data


class Stream(Protocol):
    """An answer's body, in chunks as they arrive.

    Raises TimedOut where the origin falls silent, and another TransportError (errors.py) where the connection breaks.
    """

    def __aiter__(self) -> AsyncIterator[Data]: ...

    async def __anext__(self) -> Data: ...

    async def aclose(self) -> None:
        """Drop the connection, unless the whole body has come."""

    @property
    def whole(self) -> bool:
        """Return whether all of it has come."""


class Answer(NamedTuple):
    """The head of an answer, the names of its fields in lower case, and the body that follows."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    stream: Stream


class Transport(Protocol):
    """Carries requests as they are: it follows no redirect, keeps no cookie, decodes nothing and repeats nothing."""

    async def get(self, url: str, fields: Iterable[tuple[str, str]]) -> Answer:
        """Send a GET of `url`, of RFC 3986's characters alone, with these fields; the answer's body is closed by the
        caller.

        Raises BlockedAddressError, TimedOut, NotReached, HungUp, NotHttp.
        """

    async def post(self, url: str, fields: Iterable[tuple[str, str]], content: bytes) -> Answer:
        """Send a POST of `content`, else as `get`."""

    async def aclose(self) -> None:
        """Drop every connection that is the transport's own."""
