"""Two nodes in a gateway's place: what `pytest --cluster` runs the tests on.

What names an archive goes to the first node, as behind a balancer with affinity: one upstream pass, and a status of
this moment, are promised for that. All else goes to the nodes in turn: no create, upload, list, page or session may
rely on what the node that had the request before remembers. No proxy is between: tests see the nodes' own sockets.
Archives whose readers change nodes are in tests/api/test_nodes.py, and in tests/resilience behind nginx.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Final

import httpx

from tests.support import paired
from tests.support.gateway import Gateway

_ARCHIVE: Final = re.compile("/[0-9a-f]{32}(?![0-9a-f])")  # as deploy/nginx-cluster.conf has it
WORKS_WITHIN: Final = 150.0  # the worker beside a node begins after the node answers


class Pair(Gateway):
    """Two nodes of one store and bucket, which start and end together. `client` reaches both; what they log is one log.

    `port`, `base` and `pid` are the first one's.
    """

    def __init__(self, data: Path, *, allow: Iterable[str] = (), under: Sequence[str] = (), **env: str) -> None:
        allowed = list(allow)
        super().__init__(data, allow=allowed, under=under, **env)
        assert self.store_url is not None
        self._shared = paired.variables(self.store_url.rpartition("_")[2])
        self._second = _Second(data.with_name(f"{data.name}-second"), first=self, allow=allowed, under=under, **env)
        self.client.close()
        self._spread = Spread()
        self.client = httpx.Client(trust_env=False, timeout=60, transport=self._spread)

    def start(self) -> None:
        """Start both, and return when they answer and work."""
        self._spread.over([])
        before = self._begin()
        following = self._second._begin()
        self._await(before)
        self._second._await(following)
        self._spread.over([self.port, self._second.port])

        def work() -> bool:
            return [line["event"] for line in self._lines[before:]].count("worker_begun") == 2

        with self._logged:
            self._logged.wait_for(lambda: self._ended or self._second._ended or work(), WORKS_WITHIN)
            assert work(), self._lines[before:]

    def send(self, number: Signals) -> None:
        """Send a signal to both, and go on."""
        self._second.send(number)
        super().send(number)

    def wait(self, seconds: float = 40.0) -> int:
        """Wait for both to end; the first one's exit status."""
        self._second.wait(seconds)
        return super().wait(seconds)

    def copy(self, hash: str) -> Path:
        """Where the finished copy of an archive lies: at the first one, unless the second one alone has it."""
        first, second = super().copy(hash), self._second.copy(hash)
        return second if second.exists() and not first.exists() else first

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._second.client.close()
        if not (self.runs and self._second.runs):  # of a start that failed
            self._second.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)


class _Second(Gateway):
    """The second node, whose answers name the first one."""

    def __init__(
        self, data: Path, *, first: Pair, allow: Iterable[str] = (), under: Sequence[str] = (), **env: str
    ) -> None:
        super().__init__(data, allow=allow, under=under, **env)
        self._first = first
        self.store_url, self._shared = first.store_url, first._shared
        self._lines, self._logged = first._lines, first._logged

    @property
    def base(self) -> str:
        """That of the first one."""
        return self._first.base


class Spread(httpx.BaseTransport):
    """Sends each request for a gateway that is several nodes to one of them; all others as they are."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._ports: list[int] = []
        self._turns = itertools.count()

    def over(self, ports: list[int]) -> None:
        """Name the nodes, the one of all archives first."""
        self._ports = ports

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; its Host stays the one that the test meant."""
        if request.url.port in self._ports:
            turn = 0 if _ARCHIVE.search(request.url.path) else next(self._turns)
            request.url = request.url.copy_with(port=self._ports[turn % len(self._ports)])
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close what it sends through."""
        self._inner.close()
