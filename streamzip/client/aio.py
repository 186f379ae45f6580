"""The client for programs on asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from streamzip.client import verbs
from streamzip.client.documents import Created, Status
from streamzip.client.download import Transferred, download, link_of
from streamzip.client.http import Content, Sender, head
from streamzip.client.steps import Ask, Flow, Pause, Read, Run, Step, Tell
from streamzip.httpx_ import httpx

T = TypeVar("T")


class AsyncClient:
    """A gateway, as a client on asyncio sees it: `Client`'s methods, awaited. Close it, or use `async with`.

    async with AsyncClient("https://zip.example.com", key="sz_…") as gateway:
        archive = await gateway.create(["https://example.com/a.png"])
        async for status in gateway.events(archive.archive_hash):
            print(status.progress.bytes)
    """

    def __init__(self, server: str, *, key: str | None = None, http: httpx.AsyncClient | None = None) -> None:
        self._sender = Sender(server, key)
        self._own = http is None
        self._http = httpx.AsyncClient(timeout=self._sender.timeout) if http is None else http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    @property
    def server(self) -> str:
        """Return the gateway's address."""
        return self._sender.server

    async def create(self, entries: Iterable[str | Mapping[str, Any]], **options: Any) -> Created:
        """Create an archive of URLs, or of entries as docs/http-api.md has them; `options` are create's own keys."""
        return await self._result(verbs.create(self.server, verbs.request_body(entries, options)))

    async def status(self, archive_hash: str) -> Status:
        """Return how the archive stands."""
        return await self._result(verbs.status(self.server, archive_hash))

    async def prefetch(self, archive_hash: str) -> Status:
        """Have the archive built in the background."""
        return await self._result(verbs.prefetch(self.server, archive_hash))

    async def delete(self, archive_hash: str, *, token: str | None = None) -> None:
        """Delete the archive: by this client's key, or by the `delete_token` that create gave."""
        await self._result(verbs.delete(self.server, archive_hash, token))

    def archives(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the archives of this client's key, the newest first."""
        return self._told(verbs.archives(self.server))

    async def wait(
        self, archive_hash: str, *, build: bool = True, away_for: float = 60.0,
        on_status: Callable[[Status], None] | None = None,
    ) -> Status:  # fmt: skip
        """Return when the archive is completed; `build`: have it built. Raises ArchiveFailed."""
        return await self._result(verbs.wait(self.server, archive_hash, build=build, away_for=away_for), on_status)

    def events(self, archive_hash: str, *, away_for: float = 60.0) -> AsyncIterator[Status]:
        """Yield the archive's status whenever it changes, until it is completed or has failed."""
        return self._told(verbs.events(self.server, archive_hash, away_for=away_for))

    async def download(
        self, archive: str, path: str | Path | None = None, *, folder: str | Path = ".", resume: bool = True,
        replace: bool = False, attempts: int = 8, patience: float = 600.0,
        on_progress: Callable[[Transferred], None] | None = None,
    ) -> Path:  # fmt: skip
        """Download an archive as Client.download does, with the disk's work in threads."""
        flow = download(
            self.server,
            link_of(archive),
            None if path is None else Path(path),
            folder=Path(folder),
            resume=resume,
            replace=replace,
            attempts=attempts,
            patience=patience,
        )
        return await self._result(flow, on_progress)

    async def _told(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        async with _Carrier[None](self._http, self._sender) as carrier, aclosing(carrier.carry(flow)) as told:
            async for value in told:
                yield value

    async def _result(self, flow: Flow[T], told: Callable[[Any], None] | None = None) -> T:
        async with _Carrier[T](self._http, self._sender) as carrier, aclosing(carrier.carry(flow)) as values:
            async for value in values:
                if told is not None:
                    told(value)
            return carrier.returned


class _Carrier(Generic[T]):
    """Carries out one flow; holds its streamed answer, and what it returned."""

    returned: T

    def __init__(self, http: httpx.AsyncClient, sender: Sender) -> None:
        self._http, self._sender = http, sender
        self._response: httpx.Response | None = None
        self._body: AsyncIterator[bytes] = _nothing()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def carry(self, flow: Flow[T]) -> AsyncGenerator[Any, None]:
        """Carry out the steps; yields what is told, and keeps the flow's result."""
        with closing(flow):
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Tell):
                        yield step.value
                        step = flow.send(None)
                        continue
                    try:
                        result = await self._do(step)
                    except Exception as error:
                        step = flow.throw(error)
                    else:
                        step = flow.send(result)
            except StopIteration as end:
                self.returned = end.value

    async def _do(self, step: Step) -> Any:
        match step:
            case Ask():
                return await self._ask(step)
            case Read():
                with self._sender.translated():
                    return await anext(self._body, b"")
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Run(call):
                return await asyncio.to_thread(call)
            case Tell():
                raise AssertionError("told by carry")

    async def _ask(self, request: Ask) -> Any:
        await self._leave()
        with self._sender.translated():
            asked = self._http.build_request(**self._sender.arguments(request))
            response = self._response = await self._http.send(asked, stream=True)
            answer, self._body = head(response), response.aiter_bytes()
            if request.stream:
                return answer
            content = Content(self._sender.server)
            async for data in self._body:
                content.add(data)
            return replace(answer, content=content.whole())

    async def _leave(self) -> None:
        if self._response is not None:
            await self._response.aclose()
            self._response = None


async def _nothing() -> AsyncGenerator[bytes, None]:
    """Yield nothing: the body of an answer that was not asked for as a stream."""
    for data in list[bytes]():
        yield data
