"""A streamed response: sent as its reader takes it, ended at once when its client leaves, cut when it cannot be
completed.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamzip import metrics
from streamzip.edge.connection import Connection, connection_of
from streamzip.edge.request_log import counts_itself, told_of
from streamzip.errors import Problem
from streamzip.logs import event
from streamzip.spans import Data

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LOOKS = 4  # at what a reader takes, within the write timeout
_TOGETHER_FROM = 5.0  # seconds between two looks; one of them more is little
_EARLY = 0.1  # seconds; a look comes a little after its full second, and the next one must not slip by a whole one
_LAST_LOOKS = 0.25  # seconds between those at the end of a response, which is over only then: SIGTERM waits for it


class StreamedResponse(Response):
    """`runs` is the body; `write_timeout`: seconds that a reader may take nothing before it is dropped. `download`: the
    log tells how it ended.
    """

    def __init__(
        self,
        runs: AsyncGenerator[Data, None],
        status: int,
        headers: dict[str, str],
        *,
        write_timeout: float,
        download: bool = False,
    ) -> None:
        super().__init__(status_code=status)
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]
        self._runs = runs
        self._write_timeout = write_timeout
        self._download = download
        self._length = int(headers["Content-Length"]) if "Content-Length" in headers else None
        self._resumable = self._length is not None and "ETag" in headers
        self._given = 0  # bytes handed to the server
        self._counted = 0  # of those that its client took
        self._all_given = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope, send)
        began = time.monotonic()
        if self._download:
            counts_itself(scope)
            metrics.DOWNLOADING.change(1)
        sending = asyncio.create_task(self._send(send, connection))
        # After a disconnect uvicorn's `send` returns at once and never waits: without this watch the whole archive
        # would be pulled for nobody.
        leaving = asyncio.create_task(_left(receive))
        stalling = asyncio.create_task(self._stalled(connection, every=self._write_timeout / _LOOKS))
        watches, stalled = (leaving, stalling), False
        try:
            await asyncio.wait((sending, *watches), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not sending.cancelled() and sending.exception() is None and connection.untaken():
                # All is handed over, not all is taken: a reader that stalls now would hold its socket for ever.
                # `leaving` is no help: to uvicorn the client of a whole response is gone. One that is has all taken.
                stalled = await self._stalled(connection, every=min(_LAST_LOOKS, self._write_timeout / _LOOKS))
        finally:
            stalled = stalled or (stalling.done() and not stalling.cancelled() and stalling.result())
            for task in (sending, *watches):
                task.cancel()
            await asyncio.wait((sending, *watches))
        untaken = connection.untaken()
        # A client that counts bytes may be gone before this process is told that it gave the last of them.
        outcome = "whole" if self._all_given or (self._given == self._length and not untaken) else "left"
        try:
            if stalled:
                outcome = "stalled"
                detail = "its reader took nothing for too long"
                event(logger, logging.INFO, "download_cut", detail=detail, **told_of(scope))
                await connection.cut()
            elif not sending.cancelled() and (failure := sending.exception()) is not None:
                outcome = "cut"
                _log(failure, scope)
                await self._break_off(connection, receive)
        finally:
            if self._download:
                self._count(self._given - untaken)
                metrics.DOWNLOADING.change(-1)
                metrics.DOWNLOADS.add(outcome, str(self.status_code))
                self._log_end(scope, outcome, taken=self._given - untaken, seconds=time.monotonic() - began)

    def _log_end(self, scope: Scope, outcome: str, *, taken: int, seconds: float) -> None:
        """Tell the operator how a download ended: for whom, how much of it, how long it took."""
        ranged = next((value for name, value in self.raw_headers if name == b"content-range"), None)
        fields = {} if ranged is None else {"range": ranged.decode("latin-1")}
        if (archive := told_of(scope).get("archive")) is not None:
            fields["archive"] = archive
        client = scope.get("client")
        event(
            logger,
            logging.INFO,
            "download_ended",
            outcome=outcome,
            door=scope["path"].partition("/")[2].partition("/")[0],  # the rest of a path may be a secret
            status=self.status_code,
            bytes=taken,
            seconds=round(seconds, 3),
            client=None if client is None else client[0],
            **fields,
        )

    def _count(self, taken: int) -> None:
        """Count what the client took since this was called last."""
        if self._download and taken > self._counted:
            metrics.SENT.add("download", amount=taken - self._counted)
            self._counted = taken

    async def _break_off(self, connection: Connection, receive: Receive) -> None:
        """End the connection so that nobody takes what was sent for the whole.

        In order, where length and ETag were told: the client has all that was sent, and may go on from there. One that
        can not is cut at once.
        """
        if not self._resumable:
            await connection.cut()
            return
        connection.close()
        try:
            async with asyncio.timeout(self._write_timeout):
                await _left(receive)
        except TimeoutError:
            await connection.cut()

    async def _send(self, send: Send, connection: Connection) -> None:
        async with contextlib.aclosing(self._runs) as runs:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for run in runs:
                self._given += len(run)
                await send({"type": "http.response.body", "body": run, "more_body": True})
                if connection.closing:
                    # What is sent to a socket that has failed is dropped at once, and before the loop's next turn the
                    # server knows nothing of it: all that is at hand would be read for nobody in this one.
                    return
                # A client as fast as this process never makes `send` wait: everybody else would, for its whole archive.
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._all_given = True

    async def _stalled(self, connection: Connection, *, every: float) -> bool:
        """True once the client has taken nothing for the write timeout, though there was something to take; False once
        it has everything. `every`: seconds between two looks.

        Looked at from beside, because a slow reader may need longer than that for a single run, and is not stalled.
        """
        taken_before, idle = -1, 0.0
        while idle < self._write_timeout:
            await asyncio.sleep(_until_others_look(every))
            untaken = connection.untaken()
            if self._all_given and not untaken:
                return False
            taken = self._given - untaken
            self._count(taken)
            idle = idle + every if untaken and taken == taken_before else 0.0
            taken_before = taken
        return True


class HandedOver(Response):
    """The answer that has the nginx in front send the bytes: how many, and whether all of them, its log tells."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        metrics.DOWNLOADS.add("handed_over", str(self.status_code))
        client, told = scope.get("client"), told_of(scope)
        fields = {"status": self.status_code, "client": client and client[0], "archive": told.get("archive")}
        event(logger, logging.INFO, "download_ended", outcome="handed_over", **fields)


async def unless_left(receive: Receive, work: Awaitable[T]) -> T:
    """Return what `work` gives; ended, with ClientDisconnect, as soon as the client is gone."""
    working, leaving = asyncio.ensure_future(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.wait((working, leaving))
    if working.cancelled():
        raise ClientDisconnect
    return working.result()


def _until_others_look(seconds: float) -> float:
    """Return how long to sleep, `seconds` or up to one more where that makes no difference, so that the looks of all
    responses fall together at full seconds: hundreds of silent ones wake the process once a second.
    """
    now = time.monotonic()
    return seconds if seconds < _TOGETHER_FROM else math.ceil(now + seconds - _EARLY) - now


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _log(failure: BaseException, scope: Scope) -> None:
    if isinstance(failure, Problem | OSError):
        detail = failure.detail if isinstance(failure, Problem) else failure.strerror
        event(logger, logging.WARNING, "download_cut", detail=detail, **told_of(scope))
    else:
        fields = {"fields": told_of(scope)}
        logger.error("download cut by an unexpected failure", exc_info=failure, extra=fields)
