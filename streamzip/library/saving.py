"""A Zip into a file, over as many runs as it takes.

    out.zip.part/          until all of it is there: the one thing that an ended run leaves
        lock               held by the run that writes
        plan               whose list it is, what was left out, and the frozen layout
        archive.part       the archive filling in, with its journal and locks, as a gateway keeps a copy (spool/file.py)
        done               written just before the archive takes its name: which file that is
    out.zip                the archive, whole and durable

What an earlier run left is compared with its CRCs before it is used. Nobody was given any of it yet, so that a file
whose version cannot be proven is pulled again.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamzip.archives.finishing import finish
from streamzip.assembly.assembly import Assembly, assemble
from streamzip.assembly.kept import KeptBodies, KeptLimit
from streamzip.assembly.ledger import Ledger
from streamzip.errors import Damaged, Problem
from streamzip.files.durable import DISK_FULL, sync_folder
from streamzip.files.locks import USE, LockFile
from streamzip.library.errors import CannotSave, SourceChanged, translated
from streamzip.library.planned import LeftOut, Planned
from streamzip.spool.file import FileSpool, Paths
from streamzip.spool.memory import Memory
from streamzip.zip.deflate import this_compressor
from streamzip.zip.layout import UNKNOWN, Layout
from streamzip.zip.offsets import Offsets

if TYPE_CHECKING:
    from streamzip.library.archive import Zip

TELL_EVERY: Final = 0.2  # seconds
SHOWN: Final = 4  # files under way that are told of, of the next
LOOKED_AT: Final = 64
VERSION: Final = 1
_NAME: Final = "archive"
_UNREADABLE: Final = (ValueError, TypeError, KeyError, Damaged)


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far one file is: bytes that are there, of how many (None: not known yet)."""

    name: str
    bytes: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: bytes that are there, of how many (None: not known yet); files; the first one that is not there;
    some of those under way.
    """

    bytes: int
    total: int | None
    files: int
    total_files: int
    name: str
    under_way: tuple[FileProgress, ...] = ()


Told = Callable[[Progress], None]


async def save(archive: "Zip", target: Path, *, replace: bool, told: Told | None) -> int:
    """Make the archive the file `target`, durably, and return the bytes that an earlier run had left of it.

    `replace`: replace a file that is there, and forget what was begun of another list. Raises CannotSave, and as `open`
    and `stream` do.
    """
    part, digest = Part(target), archive.asked.digest()
    with _spoken(target), part.held():
        if part.is_done(digest):
            size = part.size()
            archive.go_on(part.planned(digest, replace=replace))
            part.remove()
            return size
        part.check_target(replace=replace)
        planned = part.planned(digest, replace=replace)
        try:
            resumed_from = await _from(planned, archive, part, digest, told)
        except SourceChanged:
            if planned is None:
                raise
            resumed_from = await _from(None, archive, part, digest, told)
        part.finish()
    return resumed_from


async def _from(planned: Planned | None, archive: "Zip", part: "Part", digest: str, told: Told | None) -> int:
    """Have all of the archive there, as an earlier run settled it (None: anew). Return the bytes that it had left."""
    if planned is None:
        archive.go_on(None)
        await archive.open()
        part.begin(digest, archive.planned)
    else:
        archive.go_on(planned)
    try:
        return await _fill(archive, part, told)
    except SourceChanged:
        part.forget()  # its sizes and versions stand in the layout: nothing of it can be gone on from
        raise


async def _fill(archive: "Zip", part: "Part", told: Told | None) -> int:
    planned = archive.planned
    offsets = Offsets(planned.layout)
    size = offsets.length if offsets.complete else None
    spool = part.spool(planned.layout, size)
    try:
        ledger = Ledger(offsets)
        for record in spool.replay():
            ledger.apply(record, trusted=False)
        pulling, reading = archive.pulling()
        assembly = assemble(
            *(archive.asked.manifest, ledger, spool, pulling, reading),
            bodies=planned.bodies.shared(),
            on_all_there=_nothing,
        )
        resumed_from = ledger.extents.present
        async with _telling(assembly, told):
            try:
                await finish(assembly, spool)
            except Problem as problem:
                raise translated(problem) from problem
            finally:
                await assembly.wants.stop()
        return resumed_from
    finally:
        spool.close()


@contextlib.asynccontextmanager
async def _telling(assembly: Assembly, told: Told | None) -> AsyncIterator[None]:
    """Tell now and then how far it is, and at the end."""
    if told is None:
        yield
        return
    task = asyncio.create_task(_tell(assembly, told))
    try:
        yield
        told(_progress(assembly))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(assembly: Assembly, told: Told) -> None:
    while True:
        told(_progress(assembly))
        await asyncio.sleep(TELL_EVERY)


def _progress(assembly: Assembly) -> Progress:
    ledger, layout = assembly.ledger, assembly.ledger.layout
    total_files = layout.members - bool(layout.report)
    under_way = ledger.complete.find(0)
    if under_way < 0:
        return Progress(ledger.offsets.length, ledger.length, total_files, total_files, "")
    files = min(ledger.complete.count(1), total_files)
    some = tuple(islice(_under_way(ledger, under_way), SHOWN))
    return Progress(ledger.extents.present, ledger.length, files, total_files, layout.names[under_way], some)


def _under_way(ledger: Ledger, first: int) -> Iterator[FileProgress]:
    """Yield the files that have begun to come, among those soon after the first one that is not there."""
    offsets, extents, layout = ledger.offsets, ledger.extents, ledger.layout
    for member in range(first, min(first + LOOKED_AT, layout.members)):
        parts = offsets.parts_of(member)
        present = sum(extents.filled[parts.start : parts.stop])
        if present and not ledger.complete[member]:
            stored = offsets.stored[member]
            yield FileProgress(layout.names[member], present, None if stored == UNKNOWN else stored)


class Part:
    """What is there of an archive that will be `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder: Path = target.with_name(f"{target.name}.part")
        self._plan = self.folder / "plan"
        self._done = self.folder / "done"
        self._paths = Paths(self.folder, _NAME)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep other runs out of it. Raises CannotSave."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise CannotSave(f"{self.folder} is in the way: move it away", code="part_in_the_way")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        lock = LockFile(self.folder / "lock")
        try:
            if not lock.try_exclusive(0):
                raise CannotSave(f"another run is writing {self.folder}", code="in_use")
            yield
        finally:
            lock.close()
            with contextlib.suppress(OSError):  # nothing was begun: the lock alone is no reason to stay
                if [path.name for path in self.folder.iterdir()] == ["lock"]:
                    self.remove()

    def is_done(self, digest: str) -> bool:
        """Return whether the target is the finished archive of this list, and only this folder was to be removed."""
        try:
            return self._done.read_text() == _identity(self.target.stat()) and self._stored()[0]["list"] == digest
        except (OSError, *_UNREADABLE):
            return False

    def size(self) -> int:
        """Return the target's size in bytes."""
        return self.target.stat().st_size

    def check_target(self, *, replace: bool) -> None:
        """Raise CannotSave where a file is there that is not to be replaced."""
        if self.target.is_dir():
            raise CannotSave(f"{self.target} is a folder", code="is_a_folder")
        if self.target.exists() and not replace:
            raise CannotSave(f"{self.target} exists", code="exists")

    def planned(self, digest: str, *, replace: bool) -> Planned | None:
        """Return what an earlier run settled; None where none did, or it can no longer be gone on from. Raises
        CannotSave where it is of another list.
        """
        try:
            document, layout = self._stored()
            other = document["list"] != digest
            left_out = tuple(LeftOut(**row) for row in document["left_out"])
            planned = Planned(layout, left_out, KeptBodies(KeptLimit()), Offsets(layout))
        except FileNotFoundError:
            return None
        except _UNREADABLE:
            self.forget()
            return None
        if other and not replace:
            raise CannotSave(f"{self.folder} was begun with another list: delete it to begin anew", code="other_list")
        # What was deflated by another release of the compressor would not go with the rest.
        mixed = layout.compressor and layout.compressor != this_compressor() and not self._paths.finished.exists()
        if other or mixed:
            self.forget()
            return None
        return planned

    def _stored(self) -> tuple[dict[str, Any], Layout]:
        head, _, body = self._plan.read_bytes().partition(b"\n")
        document: dict[str, Any] = json.loads(head)
        if document["version"] != VERSION:
            raise ValueError("of another release")
        return document, Layout.decode(body)

    def begin(self, digest: str, planned: Planned) -> None:
        """Keep what was settled, durably."""
        left_out = [asdict(each) for each in planned.left_out]
        head = json.dumps({"version": VERSION, "list": digest, "left_out": left_out})
        self._write(self._plan, head.encode() + b"\n" + planned.layout.encode())

    def spool(self, layout: Layout, size: int | None) -> FileSpool:
        """Open the archive's file."""
        locks = LockFile(self._paths.lock)
        try:
            locks.try_shared(USE)
            scratch = bytearray(Memory.LARGEST >> 4)
            return FileSpool(self._paths, size=size, layout=layout.digest(), locks=locks, scratch=scratch, most=1 << 62)
        except BaseException:
            locks.close()
            raise

    def finish(self) -> None:
        """Give the archive its name, with the mode that a new file has here, and remove the folder."""
        whole = self._paths.finished
        whole.chmod(self._plan.stat().st_mode & 0o777)
        os.utime(whole)
        self._write(self._done, _identity(whole.stat()).encode())
        whole.replace(self.target)
        sync_folder(self.target.parent)
        self.remove()

    def remove(self) -> None:
        """Remove the folder, and all that is in it."""
        shutil.rmtree(self.folder)

    def forget(self) -> None:
        """Remove all that an earlier run left."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def _write(self, path: Path, content: bytes) -> None:
        aside = path.with_name(f"{path.name}.new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(self.folder)


def _identity(found: os.stat_result) -> str:
    return hashlib.sha256(f"{found.st_ino} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()


@contextlib.contextmanager
def _spoken(target: Path) -> Iterator[None]:
    """Tell the disk's errors as CannotSave."""
    try:
        yield
    except OSError as error:
        code = "disk_full" if error.errno in DISK_FULL else "cannot_save"
        raise CannotSave(f"{target} cannot be written: {error.strerror}", code=code) from error


def _nothing() -> None:
    """Tell nobody: the whole of it is waited for."""
