"""One zip, made as it is read: of URLs, files, bytes and iterators, without a server."""

import os
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, closing
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streamzip.archives.aside import aside
from streamzip.archives.planning import Planning
from streamzip.assembly.assembly import Assembly, assemble
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reader import Reading
from streamzip.edge.disposition import attachment
from streamzip.errors import NotFound, NotReady, Problem
from streamzip.library import entries as listed
from streamzip.library.bodies import Answer, BlockingBody, Body, HeaderFields, of_bytes
from streamzip.library.entries import Asked, Item
from streamzip.library.errors import NothingToZip, ZipError, translated
from streamzip.library.origins import Origins
from streamzip.library.planned import LeftOut, Planned
from streamzip.library.saving import Told, save
from streamzip.manifest.model import Compression, OnError
from streamzip.spans import Data
from streamzip.spool.memory import MemorySpool
from streamzip.zip.offsets import Offsets

if TYPE_CHECKING:
    from streamzip.edge.representation import Representation

MOST_BEFORE_FIRST_BYTE = 64 << 20  # bytes that a range may have pulled before its own first byte is known


class Zip:
    """One archive. Open it with `async with`, or with `with` in a program that blocks; the sources are asked then.

        async with Zip(["https://example.com/a.png", Path("b.txt"), ("c.txt", b"bytes")]) as archive:
            print(archive.length)
            async for chunk in archive.stream():
                ...

    `entries`: URLs, `pathlib.Path`s (of folders all that is in them), pairs of a name and a URL, a path, bytes or an
    iterable of bytes, or mappings as a gateway's create takes them. `compression`: as create's; "store" keeps the
    length known. `on_error`: "skip" leaves out what cannot be had, and reports it at the archive's end. `origins`:
    connections that many Zips share.

    Raises InvalidEntries; what cannot be had is told as the Zip is opened or read.
    """

    def __init__(
        self,
        entries: Iterable[Item],
        *,
        filename: str = "archive.zip",
        compression: Compression = "store",
        on_error: OnError = "skip",
        origins: Origins | None = None,
    ) -> None:
        self._own = origins is None
        self.origins: Origins = Origins() if origins is None else origins
        self.asked: Asked = listed.read(
            entries, filename=filename, compression=compression, on_error=on_error, exempt=self.origins.exempt
        )
        self._planned: Planned | None = None
        self._read: set[Assembly] = set()
        self.resumed_from: int = 0  # bytes that an earlier run had left, of what was saved

    # -- open and closed ---------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Ask the sources. Raises NothingToZip."""
        if self._planned is None:
            try:
                self._planned = await self._plan()
            except BaseException:
                await self.aclose()
                raise
        return self

    def go_on(self, planned: Planned | None) -> None:
        """Be open with what an earlier run has settled; None: ask the sources anew."""
        self._planned = planned

    async def aclose(self) -> None:
        """End what is being read, and close what is this Zip's own."""
        for assembly in list(self._read):
            assembly.archive.cut(NotFound("the Zip was closed"))
            await assembly.wants.stop()
        if self._own:
            await self.origins.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self.open_blocking()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open_blocking(self) -> Self:
        """Ask the sources, as `open` does, in a program that blocks."""
        try:
            return self.origins.loop_thread().run(self.open())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close what was opened in a program that blocks."""
        self.origins.loop_thread().run(self.aclose())
        if self._own:
            self.origins.close()

    async def _plan(self) -> Planned:
        pulling, _ = self.pulling()
        planning = Planning(self.asked.manifest, pulling)
        planning.waited_for()
        while not await planning.probe():
            pass
        left_out = tuple(map(LeftOut.of, planning.errors()))
        refused = planning.refused()
        if refused is not None:
            raise NothingToZip(str(LeftOut.of(refused)), tuple(map(str, left_out)), code="entry_failed")
        # No time of its own is in it: the same files give the same bytes, and the same ETag.
        layout = await aside(self.asked.manifest, lambda: planning.freeze(now=0))
        if not layout.members:
            raise NothingToZip("no entry can be had", tuple(map(str, left_out)), code="no_entries")
        return Planned(layout, left_out, planning.bodies_in(layout), Offsets(layout))

    # -- what is known -----------------------------------------------------------------------------------

    def pulling(self) -> tuple[Pulling, Reading]:
        """Return what its bytes are pulled with, in the running loop."""
        return self.origins.pulling(self.asked.local)

    @property
    def planned(self) -> Planned:
        """Return what the sources' answers have settled. Raises ZipError where it is not open."""
        if self._planned is None:
            raise ZipError("the Zip is not open; use `async with`", code="not_open")
        return self._planned

    @property
    def filename(self) -> str:
        """Return the archive's own file name."""
        return self.asked.manifest.filename

    @property
    def renamed(self) -> tuple[tuple[str, str], ...]:
        """Pairs of the name that was asked for and the name in the archive."""
        return self.asked.renamed

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Return the entries that are not in the archive."""
        return self.planned.left_out

    @property
    def length(self) -> int | None:
        """Return the archive's length in bytes; None where a member's is not known before it is there."""
        offsets = self.planned.offsets
        return offsets.length if offsets.complete else None

    @property
    def etag(self) -> str | None:
        """Return a strong ETag (RFC 9110 §8.8.3); None where nothing proves that two readings have the same bytes."""
        layout = self.planned.layout
        if not (layout.exact and layout.provable):
            return None
        return f'"{sha256(b"library 1" + layout.digest()).hexdigest()[:32]}"'

    @property
    def headers(self) -> dict[str, str]:
        """Return the header fields of an answer that has all of it."""
        return self.fields | ({} if self.length is None else {"Content-Length": str(self.length)})

    @property
    def fields(self) -> dict[str, str]:
        """Return the header fields of any answer, without its length."""
        fields = {
            "Content-Type": "application/zip",
            "Content-Disposition": attachment(self.filename),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-cache, no-transform",
            "X-Accel-Buffering": "no",
        }
        return fields if self.etag is None else fields | {"ETag": self.etag, "Accept-Ranges": "bytes"}

    # -- its bytes ---------------------------------------------------------------------------------------

    async def stream(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Give the bytes `[start, stop)`; each call reads the sources anew.

        Raises SourceChanged, SourceFailed; ValueError for a `start` where the length is not known.
        """
        try:
            async with aclosing(self.runs(start, stop)) as runs:
                async for run in runs:
                    yield bytes(run)
        except Problem as problem:
            raise translated(problem) from problem

    async def runs(self, start: int, stop: int | None) -> AsyncGenerator[Data, None]:
        """Give the bytes `[start, stop)` as they come. Raises Problem."""
        planned, length = self.planned, self.length
        if start and length is None:
            raise ValueError("the length of this archive is not known, so it can be read from its beginning alone")
        ledger = Ledger(planned.offsets if planned.offsets.complete else Offsets(planned.layout))
        ledger.skip(start)
        pulling, reading = self.pulling()
        with self.origins.memory.shared(), closing(self._window(start)) as spool:
            assembly = assemble(
                *(self.asked.manifest, ledger, spool, pulling, reading),
                bodies=planned.bodies.shared(),
                on_all_there=_nothing,
            )
            self._read.add(assembly)
            try:
                async with aclosing(assembly.read(start, length if stop is None else stop)) as runs:
                    async for run in runs:
                        yield run
            finally:
                self._read.remove(assembly)
                await assembly.wants.stop()

    def _window(self, start: int) -> MemorySpool:
        return MemorySpool("zip", start=start, memory=self.origins.memory)

    def iter(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Give the bytes `[start, stop)` to a program that blocks, as `stream` does."""
        thread = self.origins.loop_thread()
        with closing(BlockingBody(thread.run(self._body(start, stop)), thread, _nothing)) as chunks:
            yield from chunks

    async def _body(self, start: int, stop: int | None) -> Body:
        return Body(self.runs(start, stop), _nobody)

    async def save(
        self, path: str | os.PathLike[str], *, replace: bool = False, on_progress: Told | None = None
    ) -> Path:
        """Make the archive a file, durably, and return its path. What an ended run left in `PATH.part` is gone on from.

        `replace`: replace a file that is there, and a part that was begun with another list. The Zip need not be open:
        a list that was begun is not asked for anew. Raises CannotSave, and as `open` and `stream` do.
        """
        target = Path(path)
        self.resumed_from = await save(self, target, replace=replace, told=on_progress)
        return target

    # -- answers -----------------------------------------------------------------------------------------

    async def answer(self, method: str = "GET", headers: HeaderFields | None = None) -> Answer[Body]:
        """Return what a request of this method, with these header fields, is answered: all of it, ranges, 304, 412 or
        416 (RFC 9110 §13, §14). Its first bytes are there already.

        A Zip that nobody opened is opened, and closed with the body. Raises NothingToZip, SourceFailed, NotYet.
        """
        # Imported here: what writes a zip to a file answers no request.
        from streamzip.edge.conditionals import combined
        from streamzip.edge.representation import Chosen, choose

        leave = _nobody if self._planned is not None else self.aclose
        await self.open()
        try:
            fields = combined(() if headers is None else headers.items())
            chosen = choose(method, fields, self.representation(), now=time.time())
            if not isinstance(chosen, Chosen):
                told = {name.decode("latin-1"): value.decode("latin-1") for name, value in chosen.raw_headers}
                return Answer(chosen.status_code, told, Body(of_bytes(bytes(chosen.body)), leave))
            first = await anext(chosen.runs, b"")
            return Answer(chosen.status, chosen.headers, Body(chosen.runs, leave, first))
        except BaseException as error:
            await leave()
            if isinstance(error, Problem):
                raise translated(error) from error
            raise

    def answer_blocking(self, method: str = "GET", headers: HeaderFields | None = None) -> Answer[BlockingBody]:
        """Return the same to a program that blocks."""
        leave, thread = _nothing if self._planned is not None else self.close, self.origins.loop_thread()
        try:
            answer = thread.run(self.answer(method, headers))
        except BaseException:
            leave()
            raise
        return Answer(answer.status, answer.headers, BlockingBody(answer.body, thread, leave))

    def representation(self) -> "Representation":
        """Return the archive as what a request selects. Its bytes raise Problem."""
        from streamzip.edge.representation import Representation

        return Representation("archive", self.fields, self.length, self.etag, None, self.runs, self.check_start)

    def check_start(self, start: int) -> None:
        """Raise NotReady where bytes from `start` on cannot begin soon: the directory holds every file's checksum."""
        if Ledger(self.planned.offsets).missing_before(start) > MOST_BEFORE_FIRST_BYTE:
            raise NotReady(
                "this range holds checksums of files that would all have to be read first; begin with an earlier one",
                retry_after=10,
            )


def _nothing() -> None:
    """Finish nothing: no copy is kept."""


async def _nobody() -> None:
    """Leave the Zip open: whoever opened it closes it."""
