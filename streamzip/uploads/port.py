"""The port of uploaded files: kept whole, each under one name, until they are deleted.

    on_disk.py     in the data folder: files.py
    in_bucket.py   in the bucket that the gateways of a store share, for all of them

tests/contract/test_uploads.py holds both to what is said here. A file that was kept survives the loss of the process,
one in the bucket that of the machine, too.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from streamzip.spans import Data


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that is there. `created_at`: whole seconds since the epoch."""

    name: str
    size: int
    sha256: str
    crc32: int
    created_at: int


class Receiving(Protocol):
    """A file that is being received: `add` its chunks, then `keep` it, or it is gone when it is left."""

    async def add(self, chunk: bytes) -> None:
        """Append the chunk. Raises TooLarge, NoRoom."""

    async def keep(self, *, now: float) -> Upload:
        """Put it in place, durably: all of it is here. `now`: epoch seconds. Raises Conflict, NoRoom, NotReady."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None:
        """Remove what was not kept."""


class Uploads(Protocol):
    """The files that were sent in. In the bucket, what asks the store or the bucket may raise NotReady and Damaged."""

    async def listing(self) -> list[Upload]:
        """Return every file, by name."""

    async def find(self, name: str) -> Upload:
        """Return the file of just this name. Raises NotFound."""

    async def named(self, names: Collection[str]) -> Mapping[str, Upload]:
        """Return those files that there are of these names."""

    def read(self, upload: Upload, start: int, stop: int) -> AsyncGenerator[Data, None]:
        """Return bytes `[start, stop)` of the file. Raises NotFound where it is gone before the first of them, OSError
        where they cannot be read.
        """

    async def receive(self, name: str) -> Receiving:
        """Begin to take a file of this name; to be left as a context manager. Raises Conflict where there is one."""

    async def delete(self, name: str, is_needed: Callable[[str], Awaitable[bool]]) -> None:
        """Remove the file. Raises NotFound; Conflict where `is_needed` says so of an archive that uses it."""

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Keep files from being deleted between `named` and `need`."""

    async def need(self, files: Mapping[str, str], archive_hash: str) -> Collection[str]:
        """Note that an archive that is about to be kept needs the files, given as SHA-256 by name, while they are kept.

        Return what the store has to note of that in the transaction that keeps the archive, which then fails where one
        of them is gone. Raises NotFound where one is gone already.
        """

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """Drop what is noted of archives that are gone, those of which `known` says no, and of what never came."""

    async def sweep(self) -> None:
        """Remove what processes of this machine that are gone left behind."""
