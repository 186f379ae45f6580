"""The client for programs that wait: scripts, the command line, Django and Flask."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from streamzip.client import verbs
from streamzip.client.documents import Created, Status
from streamzip.client.download import Transferred, download, link_of
from streamzip.client.http import Content, Sender, head
from streamzip.client.steps import Ask, Flow, Pause, Read, Run, Step, Tell
from streamzip.httpx_ import httpx

T = TypeVar("T")


class Client:
    """A gateway, as a blocking client sees it. Close it, or use it as a context manager.

        with Client("https://zip.example.com", key="sz_…") as gateway:
            archive = gateway.create(["https://example.com/a.png", "https://example.com/b.mov"])
            gateway.download(archive.url, "holiday.zip")

    `server`: the gateway's address. `key`: an API key; it is sent to that address alone. `http`: a client of httpx to
    be used instead of an own one; it stays open. Every method raises GatewayError.
    """

    def __init__(self, server: str, *, key: str | None = None, http: httpx.Client | None = None) -> None:
        self._sender = Sender(server, key)
        self._own = http is None
        self._http = httpx.Client(timeout=self._sender.timeout) if http is None else http

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    @property
    def server(self) -> str:
        """Return the gateway's address."""
        return self._sender.server

    def create(self, entries: Iterable[str | Mapping[str, Any]], **options: Any) -> Created:
        """Create an archive of URLs, or of entries as docs/http-api.md has them; `options` are create's own keys."""
        return self._result(verbs.create(self.server, verbs.request_body(entries, options)))

    def status(self, archive_hash: str) -> Status:
        """Return how the archive stands."""
        return self._result(verbs.status(self.server, archive_hash))

    def prefetch(self, archive_hash: str) -> Status:
        """Have the archive built in the background."""
        return self._result(verbs.prefetch(self.server, archive_hash))

    def delete(self, archive_hash: str, *, token: str | None = None) -> None:
        """Delete the archive: by this client's key, or by the `delete_token` that create gave."""
        self._result(verbs.delete(self.server, archive_hash, token))

    def archives(self) -> Iterator[dict[str, Any]]:
        """Yield the archives of this client's key, the newest first."""
        return self._told(verbs.archives(self.server))

    def wait(
        self, archive_hash: str, *, build: bool = True, away_for: float = 60.0,
        on_status: Callable[[Status], None] | None = None,
    ) -> Status:  # fmt: skip
        """Return when the archive is completed; `build`: have it built. Raises ArchiveFailed.

        `away_for`: seconds for which the gateway may be away, to be started again.
        """
        return self._result(verbs.wait(self.server, archive_hash, build=build, away_for=away_for), on_status)

    def events(self, archive_hash: str, *, away_for: float = 60.0) -> Iterator[Status]:
        """Yield the archive's status whenever it changes, until it is completed or has failed."""
        return self._told(verbs.events(self.server, archive_hash, away_for=away_for))

    def download(
        self, archive: str, path: str | Path | None = None, *, folder: str | Path = ".", resume: bool = True,
        replace: bool = False, attempts: int = 8, patience: float = 600.0,
        on_progress: Callable[[Transferred], None] | None = None,
    ) -> Path:  # fmt: skip
        """Download an archive, by its hash or link, and return the file; without `path` into `folder` by its own name.

        A download that was broken off, by whatever, goes on where it ended: its bytes wait in a `.part` file beside
        `path`. `attempts`: in a row that bring nothing. `patience`: seconds for an archive that is being prepared.
        """
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
        return self._result(flow, on_progress)

    def _told(self, flow: Flow[None]) -> Iterator[Any]:
        with _Carrier(self._http, self._sender) as carrier:
            yield from carrier.carry(flow)

    def _result(self, flow: Flow[T], told: Callable[[Any], None] | None = None) -> T:
        with _Carrier(self._http, self._sender) as carrier, closing(carrier.carry(flow)) as steps:
            while True:
                try:
                    value = next(steps)
                except StopIteration as end:
                    returned: T = end.value
                    return returned
                if told is not None:
                    told(value)


class _Carrier:
    """Carries out one flow; holds its streamed answer."""

    def __init__(self, http: httpx.Client, sender: Sender) -> None:
        self._http, self._sender = http, sender
        self._response: httpx.Response | None = None
        self._body: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def carry(self, flow: Flow[T]) -> Generator[Any, None, T]:
        """Carry out the steps; yields what is told, and returns the flow's result."""
        with closing(flow):
            try:
                step = next(flow)
                while True:
                    if isinstance(step, Tell):
                        yield step.value
                        step = flow.send(None)
                        continue
                    try:
                        result = self._do(step)
                    except Exception as error:
                        step = flow.throw(error)
                    else:
                        step = flow.send(result)
            except StopIteration as end:
                returned: T = end.value
                return returned

    def _do(self, step: Step) -> Any:
        match step:
            case Ask():
                return self._ask(step)
            case Read():
                with self._sender.translated():
                    return next(self._body, b"")
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Run(call):
                return call()
            case Tell():
                raise AssertionError("told by carry")

    def _ask(self, request: Ask) -> Any:
        self._leave()
        with self._sender.translated():
            response = self._http.send(self._http.build_request(**self._sender.arguments(request)), stream=True)
            self._response = response
            answer, self._body = head(response), response.iter_bytes()
            if request.stream:
                return answer
            content = Content(self._sender.server)
            for data in self._body:
                content.add(data)
            return replace(answer, content=content.whole())

    def _leave(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
