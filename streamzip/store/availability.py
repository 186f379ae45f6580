"""How long anybody waits for the database, and for how long nobody asks again after it was found away."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from streamzip.store.faults import away


class Availability:
    """The waits for one database, shared by its readers and its writer.

    `within`: seconds after which a caller is told that the store is away, though a server that hangs may still answer;
    None: as long as it takes. `pause`: seconds in which nobody tries, after an attempt found nobody there: else all who
    come would wait for one such attempt after another.
    """

    def __init__(self, *, within: float | None = None, pause: float = 0.0) -> None:
        self._within = within
        self._pause = pause
        self._until = 0.0

    def check(self) -> None:
        """Raise NotReady where the database was found away just now."""
        if time.monotonic() < self._until:
            raise away()

    def version(self) -> object | None:
        """Return what is another after any commit, of any process; None where that cannot be told without asking."""
        return None

    def confirm(self) -> None:
        """Raise NotReady where what was just committed is lost, because the database was taken away beneath it."""

    def lost(self) -> None:
        """Note that it is away."""
        self._until = time.monotonic() + self._pause

    @contextlib.asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Raise NotReady where the database is away, or takes too long."""
        self.check()
        try:
            async with asyncio.timeout(self._within):
                yield
        except TimeoutError as error:
            self.lost()
            raise away() from error
