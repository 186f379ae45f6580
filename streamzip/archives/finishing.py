"""The end of a full pass: the directory into the file, the file durable under its final name, only then `completed`."""

import asyncio
from dataclasses import dataclass

from streamzip.assembly.archive import FOLLOW_INTERVAL
from streamzip.assembly.assembly import Assembly
from streamzip.assembly.ledger import Ledger
from streamzip.files.locks import when_free
from streamzip.spans import Span
from streamzip.spool.file import FileSpool
from streamzip.zip.layout import Layout


@dataclass(frozen=True, slots=True)
class Finished:
    """A full pass that was made and proven: the archive's length in bytes, what was learned of its members, and its
    layout.
    """

    size: int
    learned: bytes
    layout: Layout


async def finish(assembly: Assembly, copy: FileSpool) -> Finished:
    """Complete every member, write the directory, make the copy durable. Raises OSError from the disk, and what ended a
    pull.
    """
    with assembly.reader() as reader:
        await reader.everything()
    loop = asyncio.get_running_loop()
    await when_free(copy.begin_finish, every=FOLLOW_INTERVAL)
    try:
        assembly.archive.follow()
        if not copy.check_seal():
            await loop.run_in_executor(assembly.reading.pool, _write_out, assembly.ledger, copy)
    finally:
        copy.end_finish()
    offsets = assembly.ledger.offsets
    return Finished(offsets.length, offsets.learned(), assembly.ledger.layout)


def _write_out(ledger: Ledger, copy: FileSpool) -> None:
    offsets = ledger.offsets
    position, length = offsets.directory_start, offsets.length
    while position < length:
        block = offsets.directory(Span(position, length))
        copy.write(position, block)
        position += len(block)
    copy.truncate(length)
    copy.finish(mtime=ledger.layout.frozen_at)
