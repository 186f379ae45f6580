"""The end of a full pass: the directory into the file, the file durable under its final name, only then `completed`."""

import asyncio
from dataclasses import dataclass

from streamzip.archive.filling import FOLLOW_INTERVAL, Filling
from streamzip.archive.reading import Reader, everything
from streamzip.files.locks import FINISH
from streamzip.spans import Span
from streamzip.spool.file import FileSpool


@dataclass(frozen=True, slots=True)
class Finished:
    """A full pass that was made and proven: the archive's length in bytes, and what was learned of its members."""

    size: int
    learned: bytes


async def finish(filling: Filling, copy: FileSpool) -> Finished:
    """Settle what is not settled, write the directory, make the copy durable. Raises OSError from the disk, and what
    ended a pull.
    """
    reader = Reader(filling)
    try:
        await everything(filling, reader)
    finally:
        reader.close()
    locks, loop = copy.locks, asyncio.get_running_loop()
    while not locks.try_exclusive(FINISH):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
        await asyncio.sleep(FOLLOW_INTERVAL)
    try:
        filling.follow()
        if not copy.check_seal():
            await loop.run_in_executor(filling.works.pool, _write_out, filling, copy)
    finally:
        locks.release(FINISH)
    return Finished(filling.places.length, filling.places.learned())


def _write_out(filling: Filling, copy: FileSpool) -> None:
    places = filling.places
    position, length = places.directory_start, places.length
    while position < length:
        block = places.directory(Span(position, length))
        copy.write(position, block)
        position += len(block)
    copy.truncate(length)
    copy.finish(mtime=filling.layout.frozen_at)
