"""The gate before each origin: as many exchanges at once, and as fast, as it keeps up with.

A refusal (429, 503, a connection that is not taken, 403 while others of ours are open) may be the origin's word about
us, or about one file. Where it is about us the request waits here for its next turn, in its order, and nobody counts an
attempt; where it is about the file, or the origin lets nothing through any more, it is raised as what it is.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple, TypeVar

from streamzip import metrics
from streamzip.errors import OriginError
from streamzip.net.throttle import Throttle
from streamzip.origins.kinds import Refusal, refusal_of
from streamzip.origins.lanes import Lanes
from streamzip.origins.sightings import Sightings
from streamzip.retry import grown, spread

T = TypeVar("T")

LATELY: Final = 10.0  # seconds within which something got through, where an origin only refuses some
MOST_REFUSALS: Final = 30  # of one request in one turn
MOST_ALONE: Final = 4  # 403s while nothing else of ours is open: a host that counts connections may see closed ones
UNAWAITED_REFUSALS: Final = 2  # of one that nobody waits for
AT_THE_GATE: Final = 2  # requests that stand ready for the next turn at an origin that throttles
STUCK_AFTER: Final = 30.0  # seconds without an exchange's end: those that are open wait for their readers
FORBIDDEN_FOR: Final = 60.0  # seconds that a 403 is believed at once, after one came while nothing else was open
FORGET_AFTER: Final = 600.0  # seconds without a request
_JITTER: Final = spread(0.3)


class Waiting(NamedTuple):
    """An origin that requests wait for: as `host:port`, until when (epoch s), and the code of what it said."""

    origin: str
    until: float
    why: str


@dataclass(slots=True)
class _Host:
    origin: str
    throttle: Throttle
    place: int
    waiters: list[tuple[int, "asyncio.Future[None]"]] = field(default_factory=list)  # a heap, the eldest first
    timer: asyncio.TimerHandle | None = None
    begun: int = 0  # exchanges, ever
    ended_at: float = 0.0
    pausing: int = 0  # requests that were refused and wait before they come again
    blocked_since: float | None = None  # nothing got through since then
    asked_at: float = 0.0
    forbidden_until: float = 0.0
    lanes: int | None = None  # that it was narrowed to


class Gate:
    """`ceiling`: exchanges at once with one origin; `patience`: seconds that a request waits while nothing at all gets
    through. `passes`: what this and the other workers know of origins that let some through. `lanes`: where requests
    come from; an origin that throttles gets no more of them than it can use.
    """

    def __init__(
        self,
        ceiling: int,
        *,
        patience: float = 90.0,
        passes: Sightings | None = None,
        lanes: Lanes | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ceiling = ceiling
        self._patience = patience
        self._passes = Sightings() if passes is None else passes
        self._lanes = Lanes(ceiling) if lanes is None else lanes
        self._clock = clock
        self._wall = wall
        self._hosts: dict[str, _Host] = {}
        self._order = count()

    def waiting(self) -> list[Waiting]:
        """Return the origins that requests wait for because they refuse some."""
        now = self._clock()
        return [
            Waiting(
                origin,
                self._wall() + max(0.0, (host.throttle.ready_at() or now) - now),
                host.throttle.why,
            )
            for origin, host in self._hosts.items()
            if host.throttle.throttles and (host.waiters or host.pausing or self._lanes.is_awaited(origin))
        ]

    async def through(
        self, origin: str, file: str, ask: Callable[[], Awaitable[T]], *, patient: bool = True
    ) -> tuple[T, float]:
        """Ask in turn, and again where the origin only throttles. Return the answer, and the seconds that it waited.

        `patient`: somebody waits for it; else a second refusal is the answer. `leave` must be called when the exchange
        has ended. Raises OriginError, `waited` in it.
        """
        host, order = self._hosts.get(origin) or self._host(origin), next(self._order)
        begun = began = self._clock()
        refusals, asking = 0, 0.0
        most = MOST_REFUSALS if patient else UNAWAITED_REFUSALS
        first: float | None = None
        while True:
            if not self._enters(host, began):
                await self._turn(host, order)
                began = self._clock()
            host.asked_at = began
            alone, before = host.throttle.open == 1, host.begun
            try:
                answer = await ask()
            except OriginError as error:
                now, alone = self._clock(), alone and host.begun == before
                asking += now - began
                self._left(host)
                first, refusals = began if first is None else first, refusals + 1
                if is_about_us := self._is_about_us(host, file, error, first=first, refusals=refusals, alone=alone):
                    metrics.ORIGIN_REFUSALS.add(error.code)
                    host.throttle.refused(now, file, error.code, began=began, wait=error.retry_after)
                self._share(host)
                if not is_about_us or refusals >= most:
                    error.waited = now - begun - asking
                    raise
                await self._pause(host, refusals, error.retry_after)
                began = self._clock()
            except BaseException:
                self._left(host)
                raise
            else:
                now = self._clock()
                host.blocked_since = None
                host.throttle.answered(now, file)
                if host.throttle.throttles:
                    self._share(host)
                self._passes.note(host.place, now)
                if host.waiters:  # it may be asked for more now: none of those that are open need end
                    self._give_out(host)
                return answer, began - begun - asking

    def leave(self, origin: str) -> None:
        """Note that an exchange has ended."""
        self._left(self._hosts[origin])

    # -- refusals ----------------------------------------------------------------------------------------

    def _is_about_us(
        self, host: _Host, file: str, error: OriginError, *, first: float, refusals: int, alone: bool
    ) -> bool:
        """Return whether the request is to be made again here, because the failure tells nothing of its file."""
        now, throttle, refusal = self._clock(), host.throttle, refusal_of(error)
        if refusal is Refusal.FORBIDDEN:
            if alone and throttle.throttles and not throttle.lets_through(now, LATELY):
                # Nothing else of ours was open: it is meant. That many were refused was no word about us.
                host.forbidden_until = now + FORBIDDEN_FOR
                throttle.relax()
            if now < host.forbidden_until:
                return False
            if alone and not (throttle.throttles and refusals < MOST_ALONE):
                return False
            return refusals < 2 or not throttle.is_about_file(file, first)
        if refusal is Refusal.NONE:
            return False
        if refusal is Refusal.ANSWER:
            throttle.answered(now, file)
            return False
        if throttle.is_about_file(file, first):
            throttle.note_refusal(now, file)
            return False
        if not throttle.lets_through(now, LATELY) and not self._passes.lately(host.place, now, LATELY):
            host.blocked_since = first if host.blocked_since is None else host.blocked_since
            if refusal is Refusal.UNSURE:
                throttle.relax()  # it is down; to ask more slowly would only take longer to find that out
                return False
        since = first if host.blocked_since is None else host.blocked_since
        if now - since + (error.retry_after or 0.0) > self._patience:
            self._give_up(host, error)
            return False
        return True

    def _give_up(self, host: _Host, error: OriginError) -> None:
        """Answer those that wait for their turn as the one before them was: their time is over too."""
        waiters, host.waiters = host.waiters, []
        for _, turn in waiters:
            if not turn.done():
                turn.set_exception(OriginError(error.code, error.message, transient=error.transient))
        host.throttle.relax()

    async def _pause(self, host: _Host, refusals: int, asked: float | None) -> None:
        delay = grown(0.125, 8.0, refusals) * _JITTER()
        host.pausing += 1
        self._share(host)
        try:
            await asyncio.sleep(max(delay, asked or 0.0))
        finally:
            host.pausing -= 1
            self._share(host)

    def _share(self, host: _Host) -> None:
        """Have the origin given as many lanes as it can use: those that wait for their turn here hold what others
        could have.
        """
        throttle = host.throttle
        lanes = int(throttle.width) + host.pausing + AT_THE_GATE if throttle.throttles else None
        if lanes != host.lanes:
            host.lanes = lanes
            self._lanes.narrow(host.origin, lanes)

    # -- turns -------------------------------------------------------------------------------------------

    def _host(self, origin: str) -> _Host:
        self._forget_idle()
        host = self._hosts[origin] = _Host(origin, Throttle(self._ceiling), Sightings.place(origin))
        return host

    def _forget_idle(self) -> None:
        now = self._clock()
        for origin, host in list(self._hosts.items()):
            idle = not host.throttle.open and not host.waiters and not host.pausing
            if idle and (not host.throttle.throttles or now - host.asked_at > FORGET_AFTER):
                del self._hosts[origin]
                if host.lanes is not None:
                    self._lanes.narrow(origin, None)

    def _enters(self, host: _Host, now: float) -> bool:
        """Count an exchange, and return True, where nobody waits and one more may begin."""
        if host.waiters:
            return False
        ready = host.throttle.ready_at()
        if ready is None or ready > now:
            host.ended_at = now
            return False
        host.begun += 1
        host.throttle.begin(now)
        return True

    async def _turn(self, host: _Host, order: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(host.waiters, (order, turn))
        self._give_out(host)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._left(host)  # the turn had been given in the same tick
            raise

    def _left(self, host: _Host) -> None:
        host.throttle.end()
        host.ended_at = self._clock()
        if host.waiters or host.timer is not None:
            self._give_out(host)

    def _give_out(self, host: _Host) -> None:
        """Let in those whose turn it is, and be called again when the next one's comes."""
        if host.timer is not None:
            host.timer.cancel()
            host.timer = None
        while host.waiters:
            now, ready = self._clock(), host.throttle.ready_at()
            if ready is None:
                ready = host.ended_at + STUCK_AFTER  # each open one may wait for a reader that waits for one of these
            if ready > now:
                host.timer = asyncio.get_running_loop().call_later(ready - now, self._give_out, host)
                return
            _, turn = heapq.heappop(host.waiters)
            if not turn.done():
                host.begun += 1
                host.throttle.begin(now)
                host.ended_at = now
                turn.set_result(None)
