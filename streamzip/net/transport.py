"""The way out to origins: httpx's transport port over aiohttp's connections, with the dial guard beneath.

httpx's own transport costs 1,200 µs of CPU for a small request; this one about 100. It is called directly, without an
httpx.Client, for the same reason. Nothing of the environment reaches it (proxies, netrc), it keeps no cookies, follows
no redirect, decodes nothing, and repeats nothing.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple

import aiohttp
import httpx
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver
from yarl import URL

from streamzip.net.addresses import BlockedAddressError, DialGuard, SocketFactory, open_any_socket
from streamzip.net.resolver import Resolver

MAX_HEAD_BYTES = 64 << 10
MAX_HEAD_FIELDS = 200

# Apache and Node drop a connection that was idle for 5 s; a request must not meet that moment.
_KEEP_IDLE = 4.0

# aiohttp stops reading at twice this, which bounds the memory of a connection whose reader is slow. Larger chunks than
# come of it (up to 256 KiB) fall out of the processor's cache, and malloc gives them back to the system each time.
_READ_AHEAD = 64 << 10


class _HungUp(aiohttp.ClientError):
    """The origin hung up before its answer. None of the errors after which aiohttp repeats a request by itself."""


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, TimeoutError):
        raise
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise _HungUp from error


class _Request(aiohttp.ClientRequest):
    """Without aiohttp's own wish for gzip: what is asked for is the file as it lies there."""

    DEFAULT_HEADERS = {hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: "identity"}  # noqa: RUF012 - so is the base's


class _Response(aiohttp.ClientResponse):
    """Closed early, it drops the connection at once.

    aiohttp closes politely, which under uvloop means that a TLS connection goes on downloading for seconds.
    """

    def close(self) -> None:
        connection = self.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        super().close()


class _Body(httpx.AsyncByteStream):
    """What the origin sends, in chunks as large as have arrived. Raises ReadTimeout or ReadError."""

    def __init__(self, response: aiohttp.ClientResponse, read_timeout: float) -> None:
        self._response = response
        self._read_timeout = read_timeout
        # A body without framing ends with its connection, and aiohttp takes a reset for such an end.
        framed = hdrs.CONTENT_LENGTH in response.headers or hdrs.TRANSFER_ENCODING in response.headers
        self._ends_with = None if framed or response.connection is None else response.connection.protocol

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = self._response.content.read_nowait()
            if not chunk:
                # aiohttp's own time-out is for silence: a chunk's size or a trailer may go on for ever.
                async with asyncio.timeout(self._read_timeout):
                    chunk = await self._response.content.readany()
        except TimeoutError as error:
            raise httpx.ReadTimeout("the origin fell silent") from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection to the origin broke") from error
        if not chunk:
            if self._ends_with is not None and isinstance(self._ends_with.exception(), OSError):
                raise httpx.ReadError("the connection to the origin broke")
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Drop the connection, unless the whole answer has come: then it is back in its pool already."""
        if not self._response.closed:
            self._response.close()


class Answer(NamedTuple):
    """The head of an origin's answer, its fields as they came, and the body that is still to come."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    stream: httpx.AsyncByteStream


class OriginTransport(httpx.AsyncBaseTransport):
    """One pool of connections for all origins, and one each for those that the guard exempts.

    An exempted origin's address must not be open to other names: a socket factory sees only the address, so the
    exemption lies in the choice of the pool. `connect_timeout` covers the lookup of the name, the connection and TLS;
    `read_timeout` the wait for any next bytes; both in seconds. `ca_file`: PEM authorities instead of the system's.

    Raises BlockedAddressError, and of httpx: ConnectTimeout, ConnectError (its cause an ssl.SSLError where TLS failed),
    ReadTimeout, ReadError (hung up), RemoteProtocolError (not HTTP, or a head over the limits).
    """

    def __init__(
        self,
        guard: DialGuard,
        *,
        connect_timeout: float,
        read_timeout: float,
        ca_file: Path | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._guard = guard
        self._resolver = Resolver() if resolver is None else resolver
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_timeout, sock_connect=connect_timeout, sock_read=read_timeout
        )
        self._read_timeout = read_timeout
        # An origin that sends its head byte by byte is never silent for long: so there is a deadline too.
        self._head_deadline = connect_timeout + read_timeout
        self._shared: aiohttp.ClientSession | None = None
        self._exempted: dict[str, aiohttp.ClientSession] = {}

    async def get(self, url: str, fields: Iterable[tuple[str, str]]) -> Answer:
        """A GET of `url` as it is written, of RFC 3986's characters alone; the answer's body is closed by the caller.

        The short way: httpx spends as long on a signed URL and its objects as all the rest takes.
        """
        return await self._exchange("GET", URL(url, encoded=True), fields, None)

    async def post(self, url: str, fields: Iterable[tuple[str, str]], content: bytes) -> Answer:
        """A POST of `content`, else as `get`."""
        return await self._exchange("POST", URL(url, encoded=True), fields, content)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange, as httpx's clients ask for it. The answer's body is closed by the caller."""
        url = URL(str(request.url), encoded=True)
        answer = await self._exchange(request.method, url, request.headers.multi_items(), request.content or None)
        return httpx.Response(answer.status, headers=list(answer.fields), stream=answer.stream)

    async def _exchange(
        self, method: str, url: URL, fields: Iterable[tuple[str, str]], content: bytes | None
    ) -> Answer:
        try:
            async with asyncio.timeout(self._head_deadline):
                response = await self._session(url).request(
                    method, url, headers=fields, data=content, allow_redirects=False
                )
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise httpx.ConnectTimeout("the origin could not be reached in time") from error
            raise httpx.ReadTimeout("the origin did not answer in time") from error
        except aiohttp.InvalidURL as error:  # a host that a resolver may read as an address: 127.1, 2130706433
            raise BlockedAddressError from error
        except aiohttp.ClientConnectorError as error:
            # The certificate's error has no os_error; what all of them have is their cause.
            if isinstance(error.__cause__, BlockedAddressError):
                raise error.__cause__ from None
            raise httpx.ConnectError("the origin could not be reached") from error.__cause__
        except _HungUp as error:
            raise httpx.ReadError("the origin hung up before it answered") from error
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError("the origin's answer is not HTTP") from error
        return _judged(response, self._read_timeout)

    async def aclose(self) -> None:
        """Drop every connection."""
        for session in (self._shared, *self._exempted.values()):
            if session is not None:
                await session.close()
        await self._resolver.close()

    def _session(self, url: URL) -> aiohttp.ClientSession:
        origin = _origin(url)
        if self._guard.exempts(origin):
            if origin not in self._exempted:
                self._exempted[origin] = self._new_session(open_any_socket)
            return self._exempted[origin]
        if self._shared is None:
            self._shared = self._new_session(self._guard.open_socket)
        return self._shared

    def _new_session(self, open_socket: SocketFactory) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # who calls counts the connections to an origin
            keepalive_timeout=_KEEP_IDLE,
            ssl=self._tls,
            resolver=self._resolver,
            socket_factory=open_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_Request,
            response_class=_Response,
            middlewares=(_send_once,),
            read_bufsize=_READ_AHEAD,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEAD_FIELDS,
        )


def _origin(url: URL) -> str:
    """What is dialled for `url`, written as in allow-lists."""
    host = (url.raw_host or "").lower()
    return f"[{IPv6Address(host).compressed}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def _judged(response: aiohttp.ClientResponse, read_timeout: float) -> Answer:
    fields = response.raw_headers
    if sum([len(name) + len(value) + 4 for name, value in fields]) > MAX_HEAD_BYTES:
        response.close()
        raise httpx.RemoteProtocolError("the head of the origin's answer is too large")
    return Answer(response.status, fields, _Body(response, read_timeout))
