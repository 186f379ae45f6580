"""An archive as a response of Starlette and FastAPI."""

import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Self

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamzip.edge import problem_document
from streamzip.edge.representation import respond
from streamzip.errors import BuildFailed, Problem
from streamzip.library.archive import Zip
from streamzip.library.entries import Item
from streamzip.library.errors import NothingToZip
from streamzip.library.origins import Origins
from streamzip.manifest.model import Compression, OnError

UNTAKEN_FOR = 60.0  # seconds that a client may take nothing, where the server tells of that


class ZipResponse(Response):
    """The answer of `of`."""

    def __init__(self, answer: Response) -> None:
        super().__init__(status_code=answer.status_code)
        self.raw_headers: list[tuple[bytes, bytes]] = answer.raw_headers  # the same list: what a program adds is sent
        self._answer = answer

    @classmethod
    async def of(
        cls,
        request: Request,
        entries: Iterable[Item],
        *,
        filename: str = "archive.zip",
        compression: Compression = "store",
        on_error: OnError = "skip",
        origins: Origins | None = None,
    ) -> Self:
        """Return the answer to a GET or HEAD: the archive of these entries (see Zip), with Range, If-Range and the
        other conditions where its length and version are known; a problem document (RFC 9457) where it cannot be made.

        Raises InvalidEntries.
        """
        archive = Zip(entries, filename=filename, compression=compression, on_error=on_error, origins=origins)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(archive.aclose)
            try:
                await archive.open()
                selected = archive.representation()
                return cls(await respond(request, selected, stack, now=time.time(), write_timeout=UNTAKEN_FOR))
            except Problem as problem:
                return cls(problem_document.respond(problem))
            except NothingToZip as error:
                return cls(problem_document.respond(BuildFailed(str(error), code=error.code)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)
        if self.background is not None:
            await self.background()
