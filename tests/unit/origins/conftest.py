"""An origin, and a source that may reach it."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from streamzip.net.addresses import DialGuard
from streamzip.net.throttle import START
from streamzip.net.transport import OriginTransport
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from tests.support.origin import Origin


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A scripted origin on loopback."""
    async with Origin() as started:
        yield started


@pytest.fixture
async def source(origin: Origin) -> AsyncIterator[HttpSource]:
    """A source to which that origin, and it alone, is exempted."""
    allow = frozenset({origin.authority})
    transport = OriginTransport(DialGuard(allow), connect_timeout=5, read_timeout=0.5)
    async with contextlib.aclosing(transport):
        gate = Gate(START, patience=0.1)  # what waits for an origin that refuses has tests of its own
        yield HttpSource(Fetcher(transport, allow=allow, user_agent="streamzip/test", wall=lambda: 0.0, gate=gate))
