"""What a response holds while it is sent."""

import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from streamzip.edge.representation import _rest
from streamzip.spans import Data


class Run(bytearray):
    """Bytes of which it shows whether anybody holds them."""


async def test_response_lets_go_of_its_first_run_once_the_next_is_asked_for() -> None:
    """It was held until the last byte was sent, by every slow reader."""

    async def further() -> AsyncGenerator[Data, None]:
        yield b"second"
        yield b"third"

    runs: AsyncGenerator[Data, None] = further()
    rest = _rest(memoryview(first := Run(b"first")), runs, AsyncExitStack())
    held = weakref.ref(first)
    assert await anext(rest) == b"first"
    del first
    assert held() is not None
    assert await anext(rest) == b"second"
    assert held() is None
    await rest.aclose()
