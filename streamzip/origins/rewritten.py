"""Files under URLs of the gateway's own kind, which stand for addresses on the web that only the gateway knows."""

import contextlib
import copy
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from streamzip.manifest.fields import Fields
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Facts, Opened, Validator


class Address(NamedTuple):
    """Where a file lies at one attempt, and the header fields that it is asked for with, beside an entry's own."""

    url: str
    fields: Fields = ()


class Rewriter(Protocol):
    """Knows the addresses."""

    def origin(self, url: str) -> str:
        """Return the `host:port` of the addresses that `url` stands for; its scheme where there are none."""

    async def address(self, url: str) -> Address:
        """Return the http or https address that `url` stands for at this attempt. Raises OriginError."""


class RewrittenSource:
    """One scheme's source, over the web's. `http`: its transport may dial what the addresses name."""

    def __init__(self, http: HttpSource, rewriter: Rewriter) -> None:
        self._http = http
        self._rewriter = rewriter
        self._decode = False

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "RewrittenSource":
        """Return this source for one entry, whose header fields go to its own origin."""
        bound = copy.copy(self)
        bound._http = self._http.with_fields(fields, decode=decode)
        bound._decode = decode
        return bound

    def origin(self, url: str) -> str:
        """Return the `host:port` that is dialled for `url`."""
        return self._rewriter.origin(url)

    async def probe(self, url: str, *, keep: int = 0, patient: bool = True) -> Facts:
        """Return the facts of the file, as Source.probe does."""
        http, address = await self._addressed(url)
        return await http.probe(address, keep=keep, patient=patient)

    @contextlib.asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
    ) -> AsyncIterator[Opened]:
        """Give the bytes `[start, stop)`, as Source.open does."""
        http, address = await self._addressed(url)
        async with http.open(address, start=start, stop=stop, pin=pin, within=within) as opened:
            yield opened

    async def _addressed(self, url: str) -> tuple[HttpSource, str]:
        """Return the source that asks with the attempt's own fields, and the URL to ask it for."""
        address = await self._rewriter.address(url)
        if not address.fields:
            return self._http, address.url
        return self._http.with_fields(address.fields, decode=self._decode), address.url
