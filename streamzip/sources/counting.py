"""A body whose bytes are counted: it ends well only if as many came as its origin had promised."""

from collections.abc import AsyncIterator

import httpx

from streamzip.errors import OriginError


class CountedChunks(AsyncIterator[bytes]):
    """The chunks of an answer's body. `expected` in bytes; None: none were promised, and the end proves nothing.

    Raises OriginError: `truncated` (ended early, or broke), `too_long`, `timed_out` (silent for too long).
    """

    def __init__(self, stream: httpx.AsyncByteStream, expected: int | None) -> None:
        self._chunks = aiter(stream)
        self._expected = expected
        self._received = 0

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._expected is not None and self._received < self._expected:
                raise OriginError("truncated", "the origin ended the file early", transient=True) from None
            raise
        except httpx.TimeoutException as error:
            raise OriginError("timed_out", str(error), transient=True) from error
        except httpx.TransportError as error:
            raise OriginError("truncated", str(error), transient=True) from error
        self._received += len(chunk)
        if self._expected is not None and self._received > self._expected:
            raise OriginError("too_long", "the origin sent more bytes than it had promised")
        return chunk
