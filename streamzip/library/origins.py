"""What Zips need to pull: connections to origins, threads, memory. One may be shared by many Zips."""

import asyncio
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reach import Bound, Reaches
from streamzip.assembly.reader import Reading
from streamzip.clock import RateLimit, SystemClock
from streamzip.library.blocking import LoopThread
from streamzip.library.local import SCHEME, Local, LocalSource
from streamzip.net.addresses import DialGuard
from streamzip.net.port import Transport
from streamzip.net.transport import OriginTransport, Trust
from streamzip.origins.counting import Pace
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.origins.lanes import Lanes
from streamzip.origins.registry import Registry
from streamzip.spool.memory import Memory
from streamzip.urls.addresses import Exempt, Network

if TYPE_CHECKING:  # most programs give no client
    from streamzip.httpx_ import httpx

EVERYWHERE: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
RATE_EACH: Final = 64_000  # bytes a second of a connection, at least, where all of them are limited
SLOWEST: Final = 1000.0  # bytes a second that an origin must send, as a gateway asks by default


@dataclass(frozen=True, slots=True)
class _Parts:
    """What lives in one event loop."""

    loop: asyncio.AbstractEventLoop
    transport: Transport
    http: HttpSource
    lanes: Lanes
    pool: ThreadPoolExecutor
    reaches: Reaches


class Origins:
    """Connections to origins, for one event loop; close it, or use `async with`.

    A Zip that is given none makes one of its own. A program that serves many shares one, so that connections are used
    again, origins are asked so much at once in all, and memory is bounded in all.

    `allow_hosts`: exact `host:port` that may have private addresses; `allow_networks`: private networks, in CIDR form;
    `allow_private`: all of them. `client`: an httpx.AsyncClient that carries the requests, and stays open: for proxies,
    certificates or HTTP/2; then it is that client which dials, and private addresses are its own affair. `connections`:
    to one origin at once. `timeout`: seconds without a byte. `rate`: bytes a second that all origins together are taken
    at; by few connections, so that none stands still for long. `memory`: bytes that all streams together may hold.

    Raises ValueError for what is none of that.
    """

    def __init__(
        self,
        *,
        allow_hosts: Iterable[str] = (),
        allow_networks: Iterable[str] = (),
        allow_private: bool = False,
        client: "httpx.AsyncClient | None" = None,
        connections: int = 32,
        timeout: float = 30.0,
        rate: int | None = None,
        memory: int = 128 << 20,
        ca_file: Path | None = None,
    ) -> None:
        self._hosts, self._networks = _exempt(tuple(allow_hosts), tuple(allow_networks))
        if allow_private:
            self._networks = EVERYWHERE
        self._client = client
        self._rate = rate
        self._connections = connections if rate is None else max(1, min(connections, rate // RATE_EACH))
        self._timeout = timeout
        self._ca_file = ca_file
        self._made: _Parts | None = None
        self._thread: LoopThread | None = None
        self._beginning = threading.Lock()
        self.memory: Memory = Memory(memory)

    @property
    def exempt(self) -> Exempt:
        """Return what may have private addresses."""
        return self._hosts | frozenset(self._networks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, and let the threads end."""
        made, self._made = self._made, None
        if made is not None:
            await made.transport.aclose()
            made.pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what blocking Zips used."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self.aclose())
            thread.end()

    def loop_thread(self) -> LoopThread:
        """Return the thread whose event loop serves programs that block."""
        with self._beginning:  # a server's threads may come at the same moment
            if self._thread is None:
                self._thread = LoopThread()
            return self._thread

    def pulling(self, local: Sequence[Local]) -> tuple[Pulling, Reading]:
        """Return what one archive is pulled with, in the running loop. Raises RuntimeError in another loop."""
        made = self._parts()
        source = LocalSource(local, made.pool)
        pulling = Pulling(Registry(made.http, {SCHEME: source}), made.lanes, SystemClock(), made.pool)
        return pulling, Reading(pool=made.pool, reaches=made.reaches)

    def _parts(self) -> _Parts:
        loop = asyncio.get_running_loop()
        if self._made is None:
            transport = self._transport()
            lanes = Lanes(self._connections)
            gate = Gate(self._connections, lanes=lanes)
            pace = Pace(SLOWEST, self._timeout)
            limit = None if self._rate is None else RateLimit(self._rate, SystemClock())
            http = HttpSource(Fetcher(transport, allow=self.exempt, gate=gate), pace=pace, limit=limit)
            pool = ThreadPoolExecutor((os.cpu_count() or 1) + 2, thread_name_prefix="streamzip")
            self._made = _Parts(loop, transport, http, lanes, pool, Reaches(Bound()))
        if self._made.loop is not loop:
            raise RuntimeError(
                "Origins belong to the event loop in which they were first used; make others for this one"
            )
        return self._made

    def _transport(self) -> Transport:
        if self._client is not None:
            from streamzip.net.httpx_transport import HttpxTransport

            return HttpxTransport(self._client)
        guard = DialGuard(self._hosts, self._networks)
        return OriginTransport(
            guard,
            connect_timeout=10.0,
            read_timeout=self._timeout,
            trust=Trust(self._ca_file),
            at_address=self._connections,
        )


def _exempt(hosts: Sequence[str], networks: Sequence[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """Return what may have private addresses, read as the gateway's settings are. Raises ValueError."""
    if not hosts and not networks:
        return frozenset(), ()
    # Imported here: the settings' types take as long to load as all else of the library.
    from pydantic import TypeAdapter, ValidationError

    from streamzip import settings_values

    try:
        allowed: frozenset[str] = TypeAdapter(settings_values.Origins).validate_python(",".join(hosts))
        return allowed, TypeAdapter(settings_values.Networks).validate_python(",".join(networks))
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
