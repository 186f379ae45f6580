"""Files, bytes and iterators of this process, as a source: `local:NUMBER`."""

import asyncio
import contextlib
import hashlib
import mimetypes
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from streamzip.errors import OriginError
from streamzip.files.aside import in_threads
from streamzip.manifest.fields import Fields
from streamzip.origins.port import Facts, Opened, Validator
from streamzip.spans import Data

SCHEME: Final = "local"
RUN: Final = 1 << 20  # bytes read at once
_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine. Its version is its size, time and inode, as rsync and make have it."""

    path: Path

    @property
    def name(self) -> str:
        """Return the name that it has where none was given."""
        return self.path.name

    @property
    def identity(self) -> str:
        """Return what names it in the list's digest."""
        return f"file {hashlib.sha256(os.fsencode(self.path)).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes in memory."""

    content: bytes = field(repr=False)
    name: ClassVar[str] = "file"

    @property
    def identity(self) -> str:
        """Return what names it in the list's digest."""
        return f"bytes {hashlib.sha256(self.content).hexdigest()}"


@dataclass(slots=True)
class Once:
    """Bytes that come one after the other, once; nobody knows how many."""

    chunks: AsyncIterable[bytes] | Iterable[bytes]
    used: bool = False
    name: ClassVar[str] = "file"
    identity: ClassVar[str] = "once"


Local = LocalFile | Buffer | Once


class LocalSource:
    """The source of `local:`. `pool`: where files are read."""

    def __init__(self, items: Sequence[Local], pool: Executor) -> None:
        self._items = items
        self._pool = pool

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "LocalSource":
        """Return the source itself: nobody is asked."""
        return self

    def origin(self, url: str) -> str:
        """Return one name for all of them."""
        return SCHEME

    async def probe(self, url: str, *, keep: int = 0, patient: bool = True) -> Facts:
        """Return the facts; see Source. Raises OriginError (`unreadable`)."""
        item = self._item(url)
        match item:
            case Buffer(content):
                facts = _of_buffer(item)
                return facts._replace(body=content) if len(content) <= keep else facts
            case LocalFile(path):
                return await asyncio.get_running_loop().run_in_executor(self._pool, _look, path)
            case Once():
                return Facts(None, None, ranges=False, mtime=None, content_type=None)

    @contextlib.asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
    ) -> AsyncIterator[Opened]:
        """Give the bytes `[start, stop)`; see Source. Raises OriginError (`unreadable`, `read_once`, `changed`)."""
        item = self._item(url)
        match item:
            case Buffer(content):
                yield Opened(_of_buffer(item), start, _sliced(content, start, len(content) if stop is None else stop))
            case LocalFile(path):
                facts = await asyncio.get_running_loop().run_in_executor(self._pool, _look, path)
                end = facts.size or 0 if stop is None else stop
                async with contextlib.aclosing(in_threads(_read(path, start, end, facts), self._pool)) as chunks:
                    yield Opened(facts, start, chunks)
            case Once():
                if item.used:
                    raise OriginError("read_once", "its bytes came once, and cannot be read again")
                item.used = True
                async with contextlib.aclosing(self._once(item.chunks)) as once:
                    yield Opened(Facts(None, None, ranges=False, mtime=None, content_type=None), 0, once)

    def _item(self, url: str) -> Local:
        return self._items[int(url.removeprefix(f"{SCHEME}:"))]

    async def _once(self, chunks: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncGenerator[Data, None]:
        try:
            if isinstance(chunks, AsyncIterable):
                async for chunk in chunks:
                    yield chunk
            else:
                async with contextlib.aclosing(in_threads(_each(chunks), self._pool)) as runs:
                    async for run in runs:
                        yield run
        except OriginError:
            raise
        except Exception as error:  # the program's own, whatever it is: told as its cause
            raise OriginError("source_failed", f"its bytes could not be made: {type(error).__name__}") from error


def _of_buffer(item: Buffer) -> Facts:
    validator = Validator(f'"{item.identity.removeprefix("bytes ")}"', strong=True)
    return Facts(len(item.content), validator, ranges=True, mtime=None, content_type=None)


def _facts(name: str, found: os.stat_result) -> Facts:
    if not stat.S_ISREG(found.st_mode):
        raise OriginError("unreadable", "it is no regular file")
    validator = Validator(f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"', strong=True)
    content_type, _ = mimetypes.guess_type(name)
    return Facts(found.st_size, validator, True, found.st_mtime_ns // _SECOND, content_type)


def _look(path: Path) -> Facts:
    try:
        return _facts(path.name, path.stat())
    except OSError as error:
        raise OriginError("unreadable", f"it cannot be read: {error.strerror}") from error


def _read(path: Path, start: int, stop: int, facts: Facts) -> Generator[bytes, None, None]:
    """Yield the bytes of that version of the file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe that lies there now too
    except OSError as error:
        raise OriginError("unreadable", f"it cannot be read: {error.strerror}") from error
    try:
        while start < stop:
            run = os.pread(fd, min(RUN, stop - start), start)
            if _facts(path.name, os.fstat(fd)).validator != facts.validator or not run:
                raise OriginError("changed", "it was changed while it was read", transient=True)
            start += len(run)
            yield run
    except OSError as error:
        raise OriginError("unreadable", f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)


def _each(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    yield from chunks


async def _sliced(content: bytes, start: int, stop: int) -> AsyncGenerator[Data, None]:
    with memoryview(content) as view:
        for position in range(start, stop, RUN):
            yield view[position : min(position + RUN, stop)]
