"""Connections to each address, by however many names it was reached: so many at once, the others in their order.

Who names URLs may have as many names as he likes, and lead all of them to one server. So it is the address that is
counted, and at the moment when it is about to be connected to: an origin's turn is given out earlier, before its name
is looked up, and knows nothing of redirects.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Final

from streamzip.net.addresses import AddressInfo
from streamzip.urls.addresses import unmapped

STUCK_AFTER: Final = 1.0  # seconds without an end: those that are open may wait for a reader, and it for one of these


class CrowdedError(OSError):
    """There are as many connections to the address as may be."""


class CountedSocket(socket.socket):
    """A socket that says when it is closed, once. uvloop closes its descriptor itself, and detaches it."""

    def __init__(self, info: AddressInfo, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._is_open = False  # until the kernel gave it one
        family, kind, protocol, _, _ = info
        super().__init__(family, kind, protocol)
        self._is_open = True

    def close(self) -> None:
        """Close it."""
        super().close()
        self._tell()

    def detach(self) -> int:
        """Give the descriptor away, to be closed by who has it."""
        number = super().detach()
        self._tell()
        return number

    def _tell(self) -> None:
        if self._is_open:
            self._is_open = False
            self._on_close()


@dataclass(slots=True)
class _Address:
    open: int = 0
    waiting: dict["asyncio.Future[str]", None] = field(default_factory=dict)  # the eldest first
    timer: asyncio.TimerHandle | None = None


class AddressLimit:
    """`most` connections to each address; one more whenever none of them ended for `stuck_after` seconds."""

    def __init__(self, most: int, *, stuck_after: float = STUCK_AFTER) -> None:
        self._most = most
        self._stuck_after = stuck_after
        self._addresses: dict[str, _Address] = {}

    def dialling(self, judge: Callable[[AddressInfo], None]) -> "Dialling":
        """Return the attempts at one connection. `judge` raises OSError for what may not be dialled."""
        return Dialling(self, judge)

    def is_awaited(self, address: str) -> bool:
        """Return whether somebody waits for a connection to this address."""
        found = self._addresses.get(address)
        return found is not None and bool(found.waiting)

    def enter(self, address: str) -> bool:
        """Count a connection, and return True, where there is room for it and nobody waits."""
        found = self._addresses.setdefault(address, _Address())
        if found.waiting or found.open >= self._most:
            return False
        found.open += 1
        return True

    def leave(self, address: str) -> None:
        """Give a connection's place to who waits longest."""
        found = self._addresses[address]
        found.open -= 1
        if found.open < self._most:
            self._let_in(address, found)
        self._forget(address, found)

    async def wait(self, addresses: Collection[str]) -> str:
        """Wait for a place at one of these addresses, count it, and return which one it is."""
        for address in addresses:
            if self.enter(address):
                return address
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        found = {address: self._addresses.setdefault(address, _Address()) for address in addresses}
        for address, each in found.items():
            each.waiting[turn] = None
            if each.timer is None:
                self._begin_timer(address, each)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())  # the place had been given in the same tick
            raise
        finally:
            for address, each in found.items():
                each.waiting.pop(turn, None)
                self._forget(address, each)

    def _forget(self, address: str, found: _Address) -> None:
        if not found.waiting and found.timer is not None:
            found.timer.cancel()
            found.timer = None
        if not found.waiting and not found.open:
            self._addresses.pop(address, None)

    def _let_in(self, address: str, found: _Address) -> None:
        if found.timer is not None:
            found.timer.cancel()
            found.timer = None
        for turn in list(found.waiting):
            del found.waiting[turn]
            if not turn.done():
                found.open += 1
                turn.set_result(address)
                break
        if found.waiting:
            self._begin_timer(address, found)

    def _begin_timer(self, address: str, found: _Address) -> None:
        found.timer = asyncio.get_running_loop().call_later(self._stuck_after, self._let_in, address, found)


class Dialling:
    """The attempts at one connection. `crowded`: the addresses that had no room, as they were to be dialled."""

    def __init__(self, limit: AddressLimit, judge: Callable[[AddressInfo], None]) -> None:
        self._limit = limit
        self._judge = judge
        self._place: str | None = None  # counted, and not used yet
        self.crowded: list[AddressInfo] = []

    def open(self, info: AddressInfo) -> socket.socket:
        """Return a socket that is counted until it is closed. Raises CrowdedError, and what `judge` raises."""
        self._judge(info)
        address = address_of(info)
        if self._place == address:
            self._place = None
        elif not self._limit.enter(address):
            self.crowded.append(info)
            raise CrowdedError("there are as many connections to this address as may be")
        try:
            return CountedSocket(info, partial(self._limit.leave, address))
        except BaseException:
            self._limit.leave(address)
            raise

    async def wait(self) -> list[AddressInfo]:
        """Wait for a place at one of the crowded addresses, and return it as it is to be dialled."""
        crowded, self.crowded = self.crowded, []
        self.close()
        self._place = await self._limit.wait({address_of(info) for info in crowded})
        return [info for info in crowded if address_of(info) == self._place]

    def close(self) -> None:
        """Give a place back that was not used."""
        if self._place is not None:
            place, self._place = self._place, None
            self._limit.leave(place)


def address_of(info: AddressInfo) -> str:
    """Return the address that is to be dialled, one within IPv6 as the IPv4 address that it is."""
    return canonical(info[4][0])


def canonical(address: str) -> str:
    """Return the address as it is counted."""
    return str(unmapped(ip_address(address)))
