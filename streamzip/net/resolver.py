"""Names to addresses, in threads of their own.

A client can name hosts whose name servers never answer; each holds a thread for as long as glibc waits (ten seconds by
default). In the loop's own threads, which read and write the spool, a handful of such names would stop every download.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Lookup = Callable[..., list[tuple[Any, Any, int, str, tuple[Any, ...]]]]

_THREADS = 32


class Resolver(AbstractResolver):
    """Asks the system, as the operator configured it. `lookup` has the signature of socket.getaddrinfo."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the order to be tried. Raises OSError."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, host, port, family)
        except UnicodeError as error:  # the idna codec, on labels that no name server could hold
            raise socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up") from error
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for found_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads end; lookups under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, host: str, port: int, family: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
        return self._lookup(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
