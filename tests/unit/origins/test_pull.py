"""A pull counts the last bytes of a file only when it has seen that the file ends with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import pytest

from streamzip.clock import SystemClock
from streamzip.errors import OriginError
from streamzip.origins.port import Facts, Opened, Source, Validator
from streamzip.origins.pull import Patience, Pull, Tries
from streamzip.spans import Data

SIZE = 5


class Scripted:
    """A source whose file comes in these chunks, and then ends, or breaks."""

    def __init__(self, *chunks: bytes, breaks: bool = False) -> None:
        self._chunks = chunks
        self._breaks = breaks
        self.asked = 0

    def open(
        self, url: str, *, start: int = 0, stop: int | None = None, pin: Validator | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Opened]:
            self.asked += 1
            yield Opened(Facts(None, None, False, None, None), 0, self._come())

        return opened()

    async def _come(self) -> AsyncIterator[Data]:
        for chunk in self._chunks:
            yield chunk
        if self._breaks:
            raise OriginError("truncated", "it broke", transient=True)


def pull(source: Scripted) -> Pull:
    return Pull(
        source=cast(Source, source),
        url="http://a/",
        start=0,
        stop=SIZE,
        size=SIZE,
        ranged=False,
        pin=None,
        released=False,
        clock=SystemClock(),
        patience=Patience(fruitless=2, first_delay=0.0),
        tries=Tries(2),
    )


async def received(pulling: Pull) -> tuple[bytes, str | None]:
    """What it gave, and the code of what ended it."""
    came = b""
    try:
        async for chunk in pulling.chunks():
            came += chunk
    except OriginError as error:
        return came, error.code
    return came, None


@pytest.mark.parametrize("chunks", [(b"bytes",), (b"by", b"tes"), (b"byt", b"es", b"")])
async def test_pull_gives_all_of_a_file_that_ends_where_it_should(chunks: tuple[bytes, ...]) -> None:
    assert await received(pull(Scripted(*chunks))) == (b"bytes", None)


@pytest.mark.parametrize("chunks", [(b"byt", b"es and more"), (b"byt", b"es", b" and more")], ids=["in", "behind"])
async def test_pull_never_gives_all_of_a_file_that_goes_on(chunks: tuple[bytes, ...]) -> None:
    """Where a chunk ended just there, all bytes were counted before the next one told: the archive was completed."""
    assert await received(pull(Scripted(*chunks))) == (b"byt", "too_long")


async def test_pull_counts_nothing_of_the_last_bytes_of_a_file_that_broke_before_its_end() -> None:
    """It may have been about to go on; the next attempt brings them again."""
    source = Scripted(b"byt", b"es", breaks=True)
    pulling = pull(source)
    assert await received(pulling) == (b"byt", "truncated")
    assert (pulling.position, source.asked) == (3, 2)


async def test_pull_ends_when_nothing_new_came_for_as_long_as_it_waits() -> None:
    """An origin that gives the same bytes to every attempt, and then falls silent, holds its reader no longer."""

    class Hanging(Scripted):
        async def _come(self) -> AsyncIterator[Data]:
            yield b"byt"
            if self.asked == 1:
                raise OriginError("timed_out", "it fell silent", transient=True)
            await asyncio.Event().wait()

    source = Hanging()
    pulling = pull(source)
    pulling.patience = Patience(fruitless=9, first_delay=0.0, seconds=0.3)
    pulling.tries = Tries(9)
    async with asyncio.timeout(5):
        assert await received(pulling) == (b"byt", "timed_out")
    assert source.asked == 2
