"""Names to addresses, in threads of their own.

A client can name hosts whose name servers never answer; each holds a thread for as long as glibc waits (ten seconds by
default). In the loop's own threads, which read and write the spool, a handful of such names would stop every download.
So these are apart, and of all threads the names of one site have no more than their share: one list of names keeps no
other host from being found.
"""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from streamzip.net.addresses import AddressInfo

Lookup = Callable[..., list[tuple[Any, Any, int, str, tuple[Any, ...]]]]

THREADS: Final = 64  # begun as they are needed
SHARE: Final = 16  # of them for the names of one site

# Many connections to one origin begin together. Whatever a name says later, each address is judged when it is dialled.
_REMEMBERED = 10.0  # seconds
_MOST_REMEMBERED = 1024


class _Turns:
    """`most` lookups at once, `share` of them of one site. Sites that wait have their turns, one name each."""

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._active: Counter[str] = Counter()
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}  # by site, the next one first

    @contextlib.asynccontextmanager
    async def one(self, site: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while the context lasts."""
        if self._has_room(site):
            self._active[site] += 1
        else:
            await self._wait(site)
        try:
            yield
        finally:
            self._leave(site)

    async def _wait(self, site: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(site, {})[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(site)  # the turn had been given in the same tick
            else:
                self._withdraw(site, turn)
            raise

    def _has_room(self, site: str) -> bool:
        return self._active.total() < self._most and self._active[site] < self._share

    def _leave(self, site: str) -> None:
        self._active[site] -= 1
        if not self._active[site]:
            del self._active[site]
        while (following := next(filter(self._has_room, self._waiting), None)) is not None:
            turns = self._waiting.pop(following)
            turn = next(iter(turns))
            del turns[turn]
            if turns:
                self._waiting[following] = turns  # behind the others
            if not turn.done():
                self._active[following] += 1
                turn.set_result(None)

    def _withdraw(self, site: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(site, {})
        turns.pop(turn, None)
        if not turns:
            self._waiting.pop(site, None)


@dataclass(slots=True, eq=False)
class _Question:
    """A name that is looked up. `waiting`: how many want to know; `begun`: a thread is at it."""

    waiting: int = 0
    begun: bool = False
    answer: "asyncio.Task[list[AddressInfo]] | None" = None


class Resolver:
    """Asks the system, as the operator configured it. `lookup` has the signature of socket.getaddrinfo.

    `threads` lookups at once, and `share` of them of one site's names.
    """

    def __init__(
        self,
        lookup: Lookup = socket.getaddrinfo,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        threads: int = THREADS,
        share: int = SHARE,
    ) -> None:
        self._lookup = lookup
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")
        self._turns = _Turns(threads, share)
        self._asked: dict[tuple[str, int], _Question] = {}
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
        try:
            return await self._answer(key)
        except UnicodeError as error:  # the idna codec, on labels that no name server could hold
            raise socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up") from error

    async def _answer(self, key: tuple[str, int]) -> list[AddressInfo]:
        question = self._asked.get(key)
        if question is None:
            question = self._asked[key] = _Question()
            question.answer = asyncio.create_task(self._look_up(key, question))
            question.answer.add_done_callback(_read)
        assert question.answer is not None  # noqa: S101
        question.waiting += 1
        try:
            return await asyncio.shield(question.answer)
        finally:
            question.waiting -= 1
            if not question.waiting and not question.begun:  # else it holds a thread long after nobody wants it
                question.answer.cancel()
                self._forget(key, question)

    async def _look_up(self, key: tuple[str, int], question: _Question) -> list[AddressInfo]:
        try:
            async with self._turns.one(_site(key[0])):
                question.begun = True
                found = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, *key)
        finally:
            self._forget(key, question)
        self._remember(key, found)
        return found

    def _forget(self, key: tuple[str, int], question: _Question) -> None:
        if self._asked.get(key) is question:
            del self._asked[key]

    def close(self) -> None:
        """Let the threads end; lookups under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _remember(self, key: tuple[str, int], found: list[AddressInfo]) -> None:
        now = self._monotonic()
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {each: value for each, value in self._known.items() if value[0] > now}
        if len(self._known) < _MOST_REMEMBERED:
            self._known[key] = now + _REMEMBERED, found

    def _ask(self, host: str, port: int) -> list[AddressInfo]:
        return list(self._lookup(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))


def _read(answer: "asyncio.Task[list[AddressInfo]]") -> None:
    """Read the answer, so that asyncio does not log a failure that nobody waited for any more."""
    if not answer.cancelled():
        answer.exception()


def _site(host: str) -> str:
    """Return the end of a name that one owner may have: its last two labels. Longer ones, as co.uk's, share."""
    return ".".join(host.rstrip(".").rsplit(".", 2)[-2:])


def _literal(host: str, port: int) -> AddressInfo | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)
