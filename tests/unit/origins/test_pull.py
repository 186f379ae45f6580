"""A pull counts the last bytes of a file only when it has seen that the file ends with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import cast

import pytest
from isal import isal_zlib

from streamzip.clock import SystemClock
from streamzip.errors import OriginError
from streamzip.net.addresses import DialGuard
from streamzip.net.transport import OriginTransport
from streamzip.origins.fetch import Fetcher
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Facts, Opened, Source, Validator
from streamzip.origins.pull import Patience, Pull, Tries
from streamzip.spans import Data
from tests.support.origin import Answer, File, Origin, Pattern, Silence, redirect

SIZE = 5
BODY = bytes(range(256)) * 4


class Scripted:
    """A source whose file comes in these chunks, and then ends, or breaks."""

    def __init__(self, *chunks: bytes, breaks: bool = False) -> None:
        self._chunks = chunks
        self._breaks = breaks
        self.asked = 0

    def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
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


def pull(source: Scripted | Source, url: str = "http://a/") -> Pull:
    return Pull(
        source=cast(Source, source),
        url=url,
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


@pytest.mark.parametrize("then", [Silence(), redirect("/silent"), File(BODY, ranges=False, hold_at=100)])
async def test_pull_ends_when_an_origin_hangs_before_anything_new(then: Answer) -> None:
    """Before its head, behind a redirect or in what is there already: a time-out of each request alone would hold the
    reader for as often as is tried.
    """
    async with Origin() as origin:
        origin.serve("/a", File(BODY, ranges=False, cut_at=200), then)
        origin.serve("/silent", Silence())
        allow = frozenset({origin.authority})
        async with aclosing(OriginTransport(DialGuard(allow), connect_timeout=30, read_timeout=30)) as transport:
            pulling = pull(HttpSource(Fetcher(transport, allow=allow)), url=origin.url("/a"))
            pulling.stop = pulling.size = len(BODY)
            pulling.patience, pulling.tries = Patience(first_delay=0.0, seconds=0.3), Tries(9)
            async with asyncio.timeout(5):
                assert await received(pulling) == (BODY[:200], "timed_out")


@pytest.mark.parametrize(("cap", "asked"), [(20_000, 50), (1_000, 2)])
async def test_pull_goes_on_part_by_part_where_an_origin_caps_them(cap: int, asked: int) -> None:
    """An answer with less than was asked for (RFC 9110 §15.3.7) is no failed attempt, and nothing waits for the next
    one. Where that would be thousands of requests, the file is asked for without a range.
    """
    body = Pattern(1_000_000)
    async with Origin() as origin:
        origin.serve("/a", File(body, cap=cap))
        allow = frozenset({origin.authority})
        async with aclosing(OriginTransport(DialGuard(allow), connect_timeout=30, read_timeout=30)) as transport:
            pulling = pull(HttpSource(Fetcher(transport, allow=allow)), url=origin.url("/a"))
            pulling.stop = pulling.size = len(body)
            pulling.ranged, pulling.pin = True, Validator('"v1"', strong=True)
            pulling.prefix = pulling.position = 5_000
            pulling.crc = isal_zlib.crc32(bytes(body[:5_000]))
            pulling.patience, pulling.tries = Patience(first_delay=60.0), Tries(1)
            async with asyncio.timeout(30):
                assert await received(pulling) == (bytes(body[5_000:]), None)
        assert len(origin.requests("/a")) == asked


async def test_redirects_end_when_they_take_too_long() -> None:
    """Each of them is in time, all of them are not."""
    async with Origin() as origin:
        origin.serve("/a", redirect("/b"))
        origin.serve("/b", Silence())
        allow = frozenset({origin.authority})
        async with aclosing(OriginTransport(DialGuard(allow), connect_timeout=30, read_timeout=30)) as transport:
            source = HttpSource(Fetcher(transport, allow=allow, chain=0.1))
            async with asyncio.timeout(5):
                with pytest.raises(OriginError, match="in time"):
                    await source.probe(origin.url("/a"))
