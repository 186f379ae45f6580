"""Random schedules of tags, sizes, ranges and breaks against a model of an origin: whatever it answers, what is pulled
is one version's bytes, from its first on, and all of them where the pull says so.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.clock import SystemClock
from streamzip.errors import OriginError
from streamzip.net.errors import HungUp
from streamzip.origins.answers import Head
from streamzip.origins.fetch import Fetched, Fetcher
from streamzip.origins.http import HttpSource
from streamzip.origins.pull import Patience, Pull, Tries

ATTEMPTS = 12


@dataclass(frozen=True)
class Turn:
    """One answer: which version of the file, and what goes wrong with it."""

    version: int
    tagged: bool
    ranges: str  # honoured, ignored, refused, a slice as the file, with a wrong total, elsewhere, capped
    if_range: bool
    length: bool  # else in chunks
    breaks_at: int | None
    cut: int  # bytes a chunk


class ModelBody(AsyncIterator[bytes]):
    """A body as the transport gives it."""

    def __init__(self, body: bytes, breaks_at: int | None, cut: int) -> None:
        comes = body[:breaks_at]
        self._chunks = iter([comes[at : at + cut] for at in range(0, len(comes), cut)])
        self._breaks = breaks_at is not None and breaks_at < len(body)
        self.whole = False

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        if self._breaks:
            raise HungUp("it broke")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Nothing is held."""


class ModelFetcher:
    """An origin of one file in several versions, of which each answer takes a turn."""

    at_home = ()

    def __init__(self, versions: list[bytes], turns: list[Turn]) -> None:
        self._versions = versions
        self._turns: Iterator[Turn] = iter(turns)

    async def fetch(
        self,
        url: str,
        *fields: tuple[str, str],
        away: bool = False,
        within: float | None = None,
        patient: bool = True,
    ) -> Fetched:
        """Answer as the next turn has it."""
        turn = next(self._turns, None)
        if turn is None:
            raise OriginError("http_404", "gone")
        body, told = self._versions[turn.version], dict(fields)
        tag = f'"{turn.version}"'
        span = self._span(turn, body, told, tag)
        lines = [(b"etag", tag.encode())] if turn.tagged else []
        status = 200
        if span is not None and turn.ranges == "refused":
            raise OriginError("http_400", "no ranges")
        if span is not None and span[0] >= len(body):
            raise OriginError("http_416", "beyond")
        if span is not None and turn.ranges != "ignored":
            start, stop = span
            if turn.ranges == "capped":
                stop = min(stop, start + 3)
            total = stop if turn.ranges == "wrong total" else len(body)
            said = start + 1 if turn.ranges == "elsewhere" else start
            if turn.ranges != "slice":
                status = 206
                lines.append((b"content-range", f"bytes {said}-{stop - 1}/{total}".encode()))
            body = body[start:stop]
        lines.append((b"content-length", b"%d" % len(body)) if turn.length else (b"transfer-encoding", b"chunked"))
        stream: Any = ModelBody(body, turn.breaks_at, turn.cut)
        return Fetched(url, Head(status, lines), stream, left_home=False)

    def _span(self, turn: Turn, body: bytes, told: dict[str, str], tag: str) -> tuple[int, int] | None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", told.get("Range", ""))
        if asked is None or (turn.if_range and told.get("If-Range", tag) != tag):
            return None
        return int(asked[1]), min(len(body), int(asked[2]) + 1) if asked[2] else len(body)


VERSIONS = st.lists(st.binary(min_size=1, max_size=24), min_size=1, max_size=3)
RANGES = ["honoured", "honoured", "honoured", "ignored", "refused", "slice", "wrong total", "elsewhere", "capped"]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[bytes], list[Turn], int]:
    """Versions, turns, and where a second part begins."""
    versions = draw(VERSIONS)
    if draw(st.booleans()):  # of the same size: what only tags and checksums tell apart
        size = len(versions[0])
        versions = [(version * 24)[:size] for version in versions]
    turn = st.builds(
        Turn,
        version=st.integers(0, len(versions) - 1) if draw(st.booleans()) else st.just(0),
        tagged=st.just(True) if draw(st.booleans()) else st.booleans(),
        ranges=st.sampled_from(RANGES),
        if_range=st.booleans(),
        length=st.booleans(),
        breaks_at=st.none() | st.integers(0, 24),
        cut=st.integers(1, 24),
    )
    return versions, draw(st.lists(turn, min_size=1, max_size=ATTEMPTS)), draw(st.integers(0, 24))


async def pulled(versions: list[bytes], turns: list[Turn], middle: int) -> tuple[bytes, bool]:
    """What is had of the file: probed, then pulled, in two parts where that may be done; and whether all of it is."""
    source = HttpSource(cast(Fetcher, ModelFetcher(versions, turns)))
    try:
        facts = await source.probe("http://a/", keep=middle)
    except OriginError:
        return b"", False
    if facts.body is not None:
        return facts.body, True
    split = facts.ranges and facts.validator is not None and facts.validator.strong and facts.size is not None
    middle = min(middle, facts.size or 0) if split else 0
    came = b""
    for start, stop in ((0, middle), (middle, facts.size)) if middle else ((0, facts.size),):
        pull = Pull(
            source=source,
            url="http://a/",
            start=start,
            stop=stop,
            size=facts.size,
            ranged=facts.ranges,
            pin=facts.validator,
            released=False,
            clock=SystemClock(),
            patience=Patience(first_delay=0.0),
            tries=Tries(ATTEMPTS),
        )
        try:
            async for chunk in pull.chunks():
                came += chunk
        except OriginError:
            return came, False
    return came, True


def check(schedule: tuple[list[bytes], list[Turn], int]) -> None:
    versions, turns, middle = schedule
    came, whole = asyncio.run(pulled(versions, turns, middle))
    if whole:
        assert came in versions
    else:
        assert any(version.startswith(came) for version in versions)


@settings(max_examples=300, deadline=None)
@given(schedules())
def test_what_is_pulled_is_one_version_whatever_the_origin_answers(
    schedule: tuple[list[bytes], list[Turn], int],
) -> None:
    """Never bytes of two versions, never bytes of another place, never a part for the whole."""
    check(schedule)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None)
@given(schedules())
def test_what_is_pulled_is_one_version_in_ten_thousand_schedules(schedule: tuple[list[bytes], list[Turn], int]) -> None:
    """The same, longer."""
    check(schedule)
