"""How much one client may have made: by its API key, else by its address as a trusted proxy tells it."""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Network
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.clock import Clock
from streamzip.edge.proxies import parsed
from streamzip.errors import TooMany
from streamzip.guards.auth import owner_of

MOST_CLIENTS: Final = 100_000  # remembered; the one that came longest ago is forgotten


class Rate:
    """`per_minute` creates, or whatever `what` says, for each client, as many at once; 0: no limit.

    Counted in this process alone.
    """

    def __init__(self, per_minute: int, clock: Clock, what: str = "creates") -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._what = what
        self._clients: OrderedDict[str, float] = OrderedDict()  # when each would have all of them again

    def check(self, client: str, count: int = 1) -> None:
        """Count so many. Raises TooMany, and counts nothing, where the client has not enough left.

        More at once than there are in a minute are let in where it has all of them left, and counted in full.
        """
        if not self._per_minute:
            return
        now, each = self._clock.monotonic(), 60.0 / self._per_minute
        before = max(now, self._clients.pop(client, now))
        early = before + each * min(count, self._per_minute) - now - 60.0
        self._clients[client] = before + each * count if early <= 0 else before
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        if early > 0:
            raise TooMany(
                f"more than {self._per_minute} {self._what} in a minute; this gateway takes no more from one client",
                retry_after=int(early) + 1,
            )

    def limited(self, app: ASGIApp) -> ASGIApp:
        """Return the app for clients that have some left, and count its requests."""
        return _Limited(app, self) if self._per_minute else app


class _Limited:
    def __init__(self, app: ASGIApp, rate: Rate) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._rate.check(client_of(Request(scope)))
        await self._app(scope, receive, send)


def client_of(request: Request) -> str:
    """Return what stands for the client wherever its share is counted: its key, else its network."""
    owner = owner_of(request)
    return f"key {owner}" if owner is not None else _network(request)


def _network(request: Request) -> str:
    """Return the client's address; of an IPv6 address the first half, as a site has all that begin with it."""
    address = None if request.client is None else parsed(request.client.host)
    if address is None:
        return ""
    return str(address) if isinstance(address, IPv4Address) else str(IPv6Network((int(address) >> 64 << 64, 64)))
