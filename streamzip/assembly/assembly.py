"""An archive as its readers hold it: what is there of it, what is wanted of it, and how it is read."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streamzip.assembly.archive import Archive
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reader import Reader, Reading
from streamzip.assembly.turns import Turns
from streamzip.assembly.wants import Wants
from streamzip.manifest.model import Manifest
from streamzip.spans import Data
from streamzip.spool.port import Spool


@dataclass(frozen=True, slots=True)
class Assembly:
    """One archive filling in, shared by its readers."""

    archive: Archive
    wants: Wants
    reading: Reading

    @property
    def ledger(self) -> Ledger:
        """Return what is known of the archive."""
        return self.archive.ledger

    @property
    def still(self) -> bool:
        """Return whether nothing is under way that uses the spool: it may be closed."""
        return not self.wants.pulling and not self.archive.proving

    async def stop(self) -> None:
        """End every pull, and wait until what they have is listed and nothing uses the spool any more."""
        await self.wants.stop()
        await self.archive.proved()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Give a reader that wants nothing any more when the context ends."""
        reader = Reader(self.archive, self.wants, self.reading)
        try:
            yield reader
        finally:
            reader.close()

    def read(self, start: int, stop: int | None) -> AsyncGenerator[Data, None]:
        """Give the bytes `[start, stop)` of one reader, run by run; whatever ends it, it wants nothing afterwards."""
        return Reader(self.archive, self.wants, self.reading).read(start, stop)


def assemble(
    manifest: Manifest,
    ledger: Ledger,
    spool: Spool,
    pulling: Pulling,
    reading: Reading,
    *,
    bodies: KeptBodies,
    on_all_there: Callable[[], None],
) -> Assembly:
    """Return an archive put together from its parts. `bodies`: small members whose bytes the probe has kept;
    `on_all_there`: see Archive.
    """
    archive = Archive(manifest=manifest, ledger=ledger, spool=spool, pool=pulling.pool, on_all_there=on_all_there)
    return Assembly(
        archive, Wants(archive, Turns(archive, pulling, bodies), attempts=pulling.patience.attempts), reading
    )
