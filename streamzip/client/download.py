"""A download that survives: what is there stays in a `.part` file, and the next attempt goes on behind it.

The part's name holds what it is a part of: `out.zip.3f2a…c1.part` is named by the link's path and the archive's ETag.
So nothing else must be kept beside it, a download that was killed leaves just this file, and a part of another archive
is never gone on from.
"""

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from streamzip.client.errors import (
    BadAnswer,
    Busy,
    CannotSave,
    DownloadBroken,
    GatewayError,
    OriginChanged,
    Unreachable,
)
from streamzip.client.steps import Answer, Ask, Flow, Pause, Tell, ask, read, run
from streamzip.client.verbs import document, retry_after, whole_body

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two attempts; each pause is twice as long
LONGEST_NAME = 200  # bytes of a file's name that another server chose; systems have 255, and a part's ending takes 18
TELL_EVERY = 1 << 20  # bytes between two words about how far it is
WRITE_SIZE = 1 << 20  # bytes that are gathered for one write


_JOINERS = "\u200c\u200d"  # within words and emoji
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Transferred:
    """How far a download is: bytes that are there, of how many (None: not known)."""

    bytes: int
    total: int | None
    resumed_from: int


@dataclass(frozen=True, slots=True)
class Representation:
    """The archive as its head describes it. `etag` None: it cannot be resumed."""

    etag: str | None
    length: int | None
    filename: str

    @classmethod
    def parse(cls, answer: Answer) -> "Representation":
        """Read the head of a GET's or a HEAD's answer."""
        etag, length = answer.headers.get("etag"), answer.headers.get("content-length", "")
        strong = etag is not None and etag.startswith('"')
        return cls(
            etag if strong else None,
            int(length) if re.fullmatch("[0-9]{1,18}", length) else None,
            filename(answer.headers.get("content-disposition", "")),
        )


def filename(disposition: str) -> str:
    """Return a safe file name from a Content-Disposition field (RFC 6266): one component, never hidden, empty or long,
    without characters that nobody sees.
    """
    fields = Message()
    fields["Content-Disposition"] = disposition or "attachment"
    extended = re.search(r"filename\*\s*=\s*utf-8''([^;\s]+)", disposition, re.IGNORECASE)
    name = unquote(extended[1]) if extended else fields.get_filename() or ""
    name = "".join(
        each for each in name.replace("\\", "/").rpartition("/")[2] if each.isprintable() or each in _JOINERS
    )
    stem, dot, ending = name.strip().lstrip(".").rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = f"{stem}{dot}{ending}", "", ""
    kept = stem.encode()[: LONGEST_NAME - len((dot + ending).encode())].decode(errors="ignore")
    return f"{kept}{dot}{ending}" or "archive.zip"


def part_path(target: Path, link: str, etag: str) -> Path:
    """Return the file in which this archive's bytes wait until all of them are there."""
    identity = hashlib.sha256(f"{urlsplit(link).path}\n{etag}".encode()).hexdigest()[:12]
    return target.with_name(f"{target.name}.{identity}.part")


def link_of(archive: str) -> str:
    """Return the download link for a hash; a link stays as it is."""
    return archive if "/" in archive else f"/archive/get/{archive}.zip"


class Part:
    """The file that is being filled, held by this process alone."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        try:
            # Never through a link that somebody laid there, and never into a pipe or a device.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise CannotSave(f"{path} cannot be written: {error.strerror}") from error
        self._file: BinaryIO = os.fdopen(fd, "r+b", buffering=0)
        try:
            self._hold()
        except BaseException:
            self._file.close()
            raise
        self.size: int = self._file.seek(0, os.SEEK_END)
        if not resume:
            self.restart()

    def _hold(self) -> None:
        found = os.fstat(self._file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CannotSave(f"{self.path} cannot be written: it is no file")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = self.path.lstat()
        except OSError as error:
            raise CannotSave(f"another download is writing {self.path}") from error
        if (there.st_dev, there.st_ino) != (found.st_dev, found.st_ino):  # it was put in its place meanwhile
            raise CannotSave(f"another download was writing {self.path}")

    def restart(self) -> None:
        """Forget what is there."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes. Raises CannotSave, and keeps what is there."""
        try:
            view = memoryview(data)
            while view:
                written = self._file.write(view)
                self.size += written
                view = view[written:]
        except OSError as error:
            raise CannotSave(f"{self.path} cannot be written: {error.strerror}") from error

    def finish(self, target: Path, *, replace: bool) -> None:
        """Make the part the file that was asked for, durably. Raises CannotSave, and keeps the part; also where one of
        this name came meanwhile, unless it may be replaced.
        """
        try:
            os.fsync(self._file.fileno())
            if replace:
                self.path.replace(target)
            else:
                _place(self.path, target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise CannotSave(f"{target} cannot be written: {error.strerror}") from error

    def close(self, *, keep: bool) -> None:
        """Let the file go; `keep` False: it could not be gone on from, so it is removed."""
        if not keep:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _place(part: Path, target: Path) -> None:
    """Give the part the name `target`. Raises CannotSave where there is such a file, OSError."""
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError:
        raise CannotSave(f"{target} exists by now; the download is kept in {part}") from None
    except OSError:  # a file system without links, where only the moment of looking protects what is there
        if os.path.lexists(target):
            raise CannotSave(f"{target} exists by now; the download is kept in {part}") from None
        part.replace(target)
    else:
        part.unlink()


def download(
    server: str, link: str, target: Path | None, *, folder: Path, resume: bool, replace: bool, attempts: int,
    patience: float,
) -> Flow[Path]:  # fmt: skip
    """Download the archive to `target`, by default into `folder` under its own name; tell Transferred on the way.

    `attempts`: in a row that bring nothing. `patience`: seconds to wait for an archive that is being prepared.
    Raises DownloadBroken, CannotSave, and what the gateway answers.
    """
    head = yield from _head(server, link, patience)
    if target is None:
        yield from run(lambda: _make(folder))
    path = folder / head.filename if target is None else target
    if not replace and (yield from run(lambda: os.path.lexists(path))):
        raise CannotSave(f"{path} exists")
    etag = head.etag or "none"
    part = yield from run(lambda: Part(part_path(path, link, etag), resume=resume and head.etag is not None))
    try:
        yield from _fill(server, link, part, head, attempts=attempts, patience=patience)
        yield from run(lambda: part.finish(path, replace=replace))
    finally:
        part.close(keep=head.etag is not None)
    return path


def _head(server: str, link: str, patience: float) -> Flow[Representation]:
    """Return how the archive is described now; waits while it is being prepared."""
    waited = 0.0
    while True:
        answer = yield from ask(Ask("HEAD", link))
        if answer.status == 200:
            return Representation.parse(answer)
        pause = FIRST_PAUSE
        # An answer to HEAD has no body, and the body says why.
        answer = yield from ask(Ask("GET", link, headers={"Range": "bytes=0-0"}, stream=True))
        try:
            if not answer.ok or waited >= patience:
                yield from _refused(server, answer)
        except Busy as busy:
            if waited >= patience:
                raise
            pause = _pause(busy, patience - waited)
        waited += pause
        yield Pause(pause)


def _pause(busy: Busy, left: float) -> float:
    """Return for how long to wait: as the server asks, and no longer than is `left`."""
    return max(FIRST_PAUSE, min(busy.retry_after or 0.0, left))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotSave(f"{folder} cannot be made: {error.strerror}") from error


def _refused(server: str, answer: Answer) -> Flow[None]:
    body = yield from whole_body()
    document(Answer(answer.status, answer.headers, body), server)
    raise BadAnswer(f"{server} answered {answer.status} to a download")


def _fill(server: str, link: str, part: Part, head: Representation, *, attempts: int, patience: float) -> Flow[None]:
    if head.length is not None and part.size > head.length:
        yield from run(part.restart)  # something else wrote to it
    resumed_from, furthest, vain, waited, pause = part.size, part.size, 0, 0.0, FIRST_PAUSE
    while head.length is None or part.size < head.length:
        try:
            if (yield from _attempt(server, link, part, head, resumed_from)):
                return
            broken: GatewayError = BadAnswer(f"{server} ended the download before the archive's end")
        except Busy as busy:
            if waited >= patience:
                raise
            pause = _pause(busy, patience - waited)
            waited += pause
            yield Pause(pause)
            continue
        except Unreachable as error:
            broken = error
        if head.etag is None:
            raise DownloadBroken(f"the download was cut, and this archive cannot be resumed yet ({broken})") from broken
        # One that begins anew each time brings nothing, either.
        vain, pause = (0, FIRST_PAUSE) if part.size > furthest else (vain + 1, min(pause * 2, LONGEST_PAUSE))
        furthest = max(furthest, part.size)
        if vain >= attempts:
            raise DownloadBroken(f"{broken}; {part.size:,} bytes are kept in {part.path}") from broken
        yield Pause(pause)


def _attempt(server: str, link: str, part: Part, head: Representation, resumed_from: int) -> Flow[bool]:
    """Ask once, and take what comes; return whether that was the archive's end."""
    headers = {"Range": f"bytes={part.size}-", "If-Range": head.etag} if part.size and head.etag else {}
    answer = yield from ask(Ask("GET", link, headers=headers, stream=True))
    if answer.status not in (200, 206):
        yield from _refused(server, answer)
    _same(answer, head)
    if answer.status == 200 and part.size:
        yield from run(part.restart)
    if answer.status == 206:
        _check_range(server, answer.headers.get("content-range", ""), part.size, head.length)
    told, gathered = part.size, bytearray()
    try:
        while data := (yield from read()):
            gathered += data
            if head.length is not None and part.size + len(gathered) > head.length:
                gathered.clear()
                raise BadAnswer(f"{server} sent more than the archive has")
            if len(gathered) >= WRITE_SIZE:
                yield from _flush(part, gathered)
            if part.size - told >= TELL_EVERY:
                told = part.size
                yield Tell(Transferred(part.size, head.length, resumed_from))
    finally:
        part.write(bytes(gathered))  # also of a download that is broken off: it goes on from there
    yield Tell(Transferred(part.size, head.length, resumed_from))
    return head.length is None or part.size == head.length


def _check_range(server: str, told: str, start: int, length: int | None) -> None:
    """Raise BadAnswer unless a Content-Range is of bytes from `start` on, and of an archive of this length."""
    found = _RANGE.fullmatch(told)
    if found is None or int(found[1]) != start or (length is not None and found[3] not in ("*", str(length))):
        raise BadAnswer(f"{server} answered another range than was asked for")


def _flush(part: Part, gathered: bytearray) -> Flow[None]:
    data = bytes(gathered)
    gathered.clear()
    yield from run(lambda: part.write(data))


def _same(answer: Answer, head: Representation) -> None:
    """Raise OriginChanged where the answer is of another archive than the one that was begun."""
    if head.etag is not None and answer.headers.get("etag") != head.etag:
        gone: Mapping[str, str] = {"code": "origin_changed", "detail": "the archive changed while it was downloaded"}
        raise OriginChanged(409, gone, retry_after=retry_after(answer))
