"""Names to addresses, in threads of their own.

A client can name hosts whose name servers never answer; each holds a thread for as long as glibc waits (ten seconds by
default). In the loop's own threads, which read and write the spool, a handful of such names would stop every download.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

from streamzip.net.addresses import AddressInfo

Lookup = Callable[..., list[tuple[Any, Any, int, str, tuple[Any, ...]]]]

_THREADS = 32

# Many connections to one origin begin together. Whatever a name says later, each address is judged when it is dialled.
_REMEMBERED = 10.0  # seconds
_MOST_REMEMBERED = 1024


class Resolver:
    """Asks the system, as the operator configured it. `lookup` has the signature of socket.getaddrinfo."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lookup = lookup
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolver")
        self._asked: dict[tuple[str, int], asyncio.Future[list[AddressInfo]]] = {}
        self._known: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}

    async def resolve(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of `host`, in the order to be tried; an address stands for itself. Raises OSError."""
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        key = host, port
        until, found = self._known.get(key, (0.0, []))
        if self._monotonic() < until:
            return found
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, host, port)
            asked.add_done_callback(lambda asked: self._remember(key, asked))
        try:
            return await asyncio.shield(asked)
        except UnicodeError as error:  # the idna codec, on labels that no name server could hold
            raise socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up") from error

    def close(self) -> None:
        """Let the threads end; lookups under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _remember(self, key: tuple[str, int], asked: "asyncio.Future[list[AddressInfo]]") -> None:
        self._asked.pop(key, None)
        if asked.cancelled() or asked.exception() is not None:
            return
        now = self._monotonic()
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {each: value for each, value in self._known.items() if value[0] > now}
        if len(self._known) < _MOST_REMEMBERED:
            self._known[key] = now + _REMEMBERED, asked.result()

    def _ask(self, host: str, port: int) -> list[AddressInfo]:
        return list(self._lookup(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))


def _literal(host: str, port: int) -> AddressInfo | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)
