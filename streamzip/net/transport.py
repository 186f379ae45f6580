"""The way out to origins: an HTTP transport over connections of our own, with the dial guard beneath.

No httpx.Client lies over it: its objects cost several times what the exchange does. Nothing of the environment reaches
it (proxies, netrc), it keeps no cookies, follows no redirect and decodes nothing. It repeats nothing but a GET over a
connection that had been used before: many origins close those without having said so, right when the next request comes
(RFC 9112 §9.3.1).
"""

import asyncio
import socket
import ssl
from collections.abc import Coroutine, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiohappyeyeballs import start_connection

from streamzip.net.address_limit import AddressLimit, address_of, canonical
from streamzip.net.addresses import AddressInfo, BlockedAddressError, DialGuard, open_any_socket
from streamzip.net.buffers import Buffers
from streamzip.net.errors import HungUp, NotReached, TimedOut
from streamzip.net.exchange import Connection
from streamzip.net.port import Answer
from streamzip.net.resolver import Resolver
from streamzip.urls.urls import Target, target_of

# Apache and Node drop a connection that was idle for 5 s; a request must not meet that moment.
_KEEP_IDLE = 4.0

_NEXT_ADDRESS_AFTER = 0.25  # seconds; RFC 8305 §5 recommends it
_AS_IT_IS = ("Accept-Encoding", "identity")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_AT_ONE_ADDRESS = 128  # connections at once


class Trust:
    """The authorities that HTTPS trusts: those of a PEM file, which is read at once so that a wrong one is told of at
    the start; or the system's, which are read for the first connection that needs them: they take 22 ms and 0.7 MiB.
    Transports may share one. Raises OSError, ssl.SSLError.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._context = None if ca_file is None else _tls(ca_file)

    @property
    def context(self) -> ssl.SSLContext:
        """Return what secures connections."""
        if self._context is None:
            self._context = _tls(None)
        return self._context


class OriginTransport:
    """Connections to all origins; those that are idle are used again by requests to the same scheme, host and port.

    An exempted origin's address must not be open to other names: so it is the origin that is asked for that decides,
    and a connection serves no other one. `connect_timeout` covers the lookup of the name, the connection and TLS;
    `read_timeout` the wait for a head, and for any next bytes; both in seconds. `trust`: the system's authorities where
    it is not given. Who calls counts the connections to an origin; those to one address are counted here, but for
    origins that are exempted: `at_address` at once, and the next ones wait, with no time limit of their own.

    Raises BlockedAddressError, TimedOut, NotReached, HungUp, NotHttp.
    """

    def __init__(
        self,
        guard: DialGuard,
        *,
        connect_timeout: float,
        read_timeout: float,
        trust: Trust | None = None,
        resolver: Resolver | None = None,
        at_address: int = _AT_ONE_ADDRESS,
    ) -> None:
        self._guard = guard
        self._addresses = AddressLimit(at_address)
        self._resolver = Resolver() if resolver is None else resolver
        self._trust = Trust() if trust is None else trust
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._idle: dict[tuple[str, str], dict[Connection, None]] = {}  # by scheme and origin; the last used one last
        self._idle_at: dict[str, dict[Connection, None]] = {}  # those of them that are counted, by address
        self._all: set[Connection] = set()
        self._buffers = Buffers()

    def get(self, url: str, fields: Iterable[tuple[str, str]]) -> Coroutine[Any, Any, Answer]:
        """Return a GET of `url` as it is written, of RFC 3986's characters alone; the answer's body is closed by the
        caller.

        The short way: httpx spends longer on a signed URL and its objects than all the rest takes.
        """
        return self._exchange("GET", url, fields, b"")

    def post(self, url: str, fields: Iterable[tuple[str, str]], content: bytes) -> Coroutine[Any, Any, Answer]:
        """Return a POST of `content`, else as `get`."""
        return self._exchange("POST", url, (*fields, _AS_IT_IS), content)

    async def aclose(self) -> None:
        """Drop every connection."""
        for connection in list(self._all):
            connection.drop()
        self._resolver.close()

    async def _exchange(self, method: str, url: str, fields: Iterable[tuple[str, str]], content: bytes) -> Answer:
        try:
            target = target_of(url)
        except ValueError as error:  # a host that a resolver may read as an address: 127.1, 2130706433
            raise BlockedAddressError from error
        request = _request(method, target, fields, content)  # before a connection is taken: it may refuse
        connection = self._take(target)
        if connection is not None:
            try:
                return await connection.ask(request)
            except HungUp:
                if method != "GET":
                    raise
        return await (await self._connect(target)).ask(request)

    def _take(self, target: Target) -> Connection | None:
        idle = self._idle.get((target.scheme, target.origin))
        while idle:
            connection, _ = idle.popitem()
            self._forget_idle(connection)
            if connection.usable:
                return connection
        return None

    def _forget_idle(self, connection: Connection) -> None:
        address = connection.address
        at = None if address is None else self._idle_at.get(address)
        if address is not None and at is not None:
            at.pop(connection, None)
            if not at:
                del self._idle_at[address]

    async def _connect(self, target: Target) -> Connection:
        key = target.scheme, target.origin

        def free(connection: Connection) -> None:
            if connection.address is not None:
                if self._addresses.is_awaited(connection.address):
                    connection.drop()
                    return
                self._idle_at.setdefault(connection.address, {})[connection] = None
            self._idle.setdefault(key, {})[connection] = None
            connection.keep(_KEEP_IDLE)

        def lost(connection: Connection) -> None:
            self._all.discard(connection)
            self._forget_idle(connection)
            idle = self._idle.get(key, {})
            idle.pop(connection, None)
            if not idle:
                self._idle.pop(key, None)

        secure = target.scheme == "https"
        tls = self._trust.context if secure else None
        try:
            async with asyncio.timeout(self._connect_timeout) as within:
                connected, address = await self._dial(target, within)
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._buffers, self._read_timeout, free, lost, address),
                    sock=connected,
                    ssl=tls,
                    server_hostname=target.host.rstrip(".") if secure else None,
                )
        except BlockedAddressError:
            raise
        except TimeoutError as error:
            raise TimedOut("the origin could not be reached in time") from error
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError is uvloop's for a socket that failed; ValueError: no address, or a name that TLS cannot take.
            raise NotReached("the origin could not be reached") from error
        self._all.add(connection)
        return connection

    async def _dial(self, target: Target, within: asyncio.Timeout) -> tuple[socket.socket, str | None]:
        """Return a connected socket, and the address that it is counted at."""
        found = await self._resolver.resolve(target.host, target.port)
        if self._guard.exempts(target.origin):
            return await start_connection(
                found, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, socket_factory=open_any_socket
            ), None
        dialling = self._addresses.dialling(self._guard.judge)
        try:
            while True:
                try:
                    connected = await start_connection(
                        found, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, socket_factory=dialling.open
                    )
                except OSError:
                    if not dialling.crowded:
                        raise
                else:
                    return connected, canonical(connected.getpeername()[0])
                within.reschedule(None)  # that others are connected is no fault of this origin
                self._drop_an_idle_one(dialling.crowded)
                found = await dialling.wait()
                within.reschedule(asyncio.get_running_loop().time() + self._connect_timeout)
        finally:
            dialling.close()

    def _drop_an_idle_one(self, crowded: Iterable[AddressInfo]) -> None:
        for info in crowded:
            idle = self._idle_at.get(address_of(info))
            if idle:
                next(iter(idle)).drop()
                return


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _request(method: str, target: Target, fields: Iterable[tuple[str, str]], content: bytes) -> bytes:
    # Of a target's path `target_of` has seen that it is printable: no line can end in it.
    head = f"{method} {target.path} HTTP/1.1\r\nHost: {target.host_field}\r\n{_lines(tuple(fields))}"
    if content:
        head += f"Content-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


# An origin's files are asked for with the same fields, but for the ranges of large ones.
@lru_cache(maxsize=64)
def _lines(fields: tuple[tuple[str, str], ...]) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if lines.count("\n") > len(fields) or lines.count("\r") > len(fields) or "\0" in lines:
        raise ValueError("a line of the request holds a line's end")  # what is kept was checked when it was accepted
    return lines
