"""An archive as the answer to a request, in terms that every framework has: a status, header fields, and a body."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from streamzip.errors import Problem
from streamzip.library.blocking import LoopThread
from streamzip.library.errors import translated
from streamzip.spans import Data

B = TypeVar("B")


class HeaderFields(Protocol):
    """A request's header fields, as any framework has them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return pairs of name and value."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[B]):
    """What a request is answered. `body` is to be closed, whether it was read or not: frameworks do that."""

    status: int
    headers: dict[str, str]
    body: B


class Body(AsyncIterator[bytes]):
    """The bytes of an answer; `leave` is awaited at their end, or when they are closed."""

    def __init__(
        self, runs: AsyncGenerator[Data, None], leave: Callable[[], Awaitable[None]], first: Data = b""
    ) -> None:
        self._runs = runs
        self._leave = leave
        self._first = first
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None

    async def __anext__(self) -> bytes:
        first, self._first = self._first, b""
        if first:
            return bytes(first)
        try:
            return bytes(await anext(self._runs))
        except BaseException as error:
            await self.aclose()
            if isinstance(error, Problem):
                raise translated(error) from error
            raise

    async def aclose(self) -> None:
        """End what is read, and let go of what it was read with."""
        if not self._closed:
            self._closed, self._first = True, b""
            async with aclosing(self._runs):
                await self._leave()

    def close(self) -> None:
        """Have it closed soon, for frameworks that call this, from whichever thread."""
        if not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_to_close)

    def _begin_to_close(self) -> None:
        self._closing = self._loop.create_task(self.aclose())


class BlockingBody(Iterator[bytes]):
    """The bytes of an answer for programs that block; `close` it, as WSGI servers do (PEP 3333)."""

    def __init__(self, body: Body, thread: LoopThread, leave: Callable[[], None]) -> None:
        self._body = body
        self._thread = thread
        self._leave = leave
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        try:
            return self._thread.run(_next(self._body))
        except StopAsyncIteration:
            self.close()
            raise StopIteration from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End what is read, and let go of what it was read with."""
        if not self._closed:
            self._closed = True
            self._thread.run(self._body.aclose())
            self._leave()


async def of_bytes(content: bytes) -> AsyncGenerator[Data, None]:
    """Give bytes as a body is given."""
    if content:
        yield content


async def _next(body: Body) -> bytes:
    return await anext(body)
