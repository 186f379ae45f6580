"""A folder as an archive: laid out from names and sizes alone, its bytes read from its files as they are sent.

Nothing is kept on disk. What a range skips is read only where its checksum is needed, in the descriptor or directory
record that the range holds; checksums, those of a file's beginning too, are remembered in bounded memory, so that a
resumed download need not read again what it has had. Everything here blocks: it runs in a thread, a run at a time.
"""

import hashlib
import json
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from isal import isal_zlib

from streamzip.folders.tree import Changed, Folder, Found, Identity, check
from streamzip.manifest.names import unique_names
from streamzip.spans import Span
from streamzip.zip.layout import HELD_LIMIT, UNKNOWN, Planned, freeze
from streamzip.zip.offsets import Kind, Offsets, Piece
from streamzip.zip.render import render

RUN = 1 << 20  # bytes read at once
ENOUGH = 256 << 10  # bytes worth handing on; smaller pieces are put together
REMEMBERED = 1 << 17  # files: some 40 MB
REPORT_NAME = "archive-report.json"
_SECOND = 10**9


class Checksums:
    """CRCs of the beginnings of files, by their identity: `(bytes covered, CRC)`. The longest unused are forgotten."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._known: dict[Identity, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def get(self, identity: Identity) -> tuple[int, int]:
        """Return what is known of the file; `(0, 0)` where nothing is."""
        with self._lock:
            known = self._known.pop(identity, (0, 0))
            if known[0]:
                self._known[identity] = known
            return known

    def learn(self, identity: Identity, upto: int, crc: int) -> None:
        """Keep the CRC of the file's first `upto` bytes, unless that of more of them is known."""
        with self._lock:
            known = self._known.pop(identity, (0, 0))
            self._known[identity] = max(known, (upto, crc))
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]


class FolderArchive:
    """One listing of a folder as an archive; what cannot be read of it stands in a report, its last member. `close` it
    at the end.
    """

    def __init__(self, root: Path, name: str, *, most: int, checksums: Checksums) -> None:
        """List the folder. Raises as Folder and its `listing` do."""
        self._folder = Folder(root, name)
        try:
            self._found = self._folder.listing(most=most)
        except BaseException:
            self._folder.close()
            raise
        self._checksums = checksums
        unreadable = self._folder.unreadable
        self.left_out = len(unreadable)
        *names, report_name = unique_names([*(found.name for found in self._found), REPORT_NAME])
        members = [_planned(index, *row) for index, row in enumerate(zip(names, self._found, strict=True))]
        self._report = _report(unreadable) if unreadable else b""
        report = (report_name, self._report) if unreadable else None
        self._places = Offsets(freeze(members, frozen_at=0, compressor="", report=report))
        self._open: tuple[int, int] | None = None  # the member whose file is open, and its descriptor
        self._held: tuple[int, bytes] = (-1, b"")  # the small member that was read last
        self.length = self._places.length
        self.etag = f'"{_digest(self._found, self._report)}"'

    def close(self) -> None:
        """Let the folder and its files go."""
        self._close_file()
        self._folder.close()

    def runs(self, start: int, stop: int) -> Generator[bytes, None, None]:
        """Archive bytes `[start, stop)` in runs of at most some MiB; an empty run says that it is still reading.

        Raises Changed where a file is not what was listed.
        """
        gathered: list[bytes] = []
        size = 0
        for run in self._pieces(start, stop):
            gathered.append(run)
            size += len(run)
            if size >= ENOUGH or not run:
                yield b"".join(gathered)
                gathered, size = [], 0
        if size:
            yield b"".join(gathered)

    def _pieces(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            piece = self._places.piece_at(start)
            for run in self._piece(piece, Span(start, min(stop, piece.span.stop))):
                start += len(run)
                yield run

    def _piece(self, piece: Piece, span: Span) -> Iterator[bytes]:
        """Give bytes of a piece from the beginning of the span on; an empty run while something is read for them."""
        rendered = render(self._places, piece, span)
        if isinstance(rendered, bytes):
            yield rendered
        elif rendered.own_bytes:
            yield from self._own_bytes(piece.member, span.start - piece.span.start, span.stop - piece.span.start)
        else:
            for member in rendered.members:
                if piece.kind is Kind.HEADER:  # its bytes come next
                    self._content(member)
                else:
                    yield from self._learn(member)

    def _own_bytes(self, member: int, within: int, limit: int) -> Iterator[bytes]:
        if self._is_held(member):
            yield self._content(member)[within:limit]
        elif member == len(self._found):
            yield self._report[within:limit]
        else:
            yield from self._bytes(member, within, limit)

    # -- files -------------------------------------------------------------------------------------------

    def _is_held(self, member: int) -> bool:
        if member == len(self._found):  # the report
            return False
        return not self._found[member].folder and self._found[member].size <= HELD_LIMIT

    def _content(self, member: int) -> bytes:
        """Return all of a small member's bytes."""
        if self._held[0] != member:
            content = self._read(member, 0, self._found[member].size)
            self._held = (member, content)
            self._learned(member, len(content), isal_zlib.crc32(content))
            self._close_file()
        return self._held[1]

    def _bytes(self, member: int, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes `[start, stop)` of a large member."""
        upto, crc = self._checksums.get(self._found[member].identity)
        try:
            while start < stop:
                run = self._read(member, start, min(RUN, stop - start))
                if start <= upto < start + len(run):
                    crc = isal_zlib.crc32(run[upto - start :], crc)
                    upto = start + len(run)
                start += len(run)
                yield run
        finally:
            self._learned(member, upto, crc)

    def _learn(self, member: int) -> Iterator[bytes]:
        """Read what is needed to know the member's CRC; an empty run after each MiB."""
        if self._places.crcs[member] != UNKNOWN:
            return
        size = self._found[member].size
        upto, crc = self._checksums.get(self._found[member].identity)
        try:
            while upto < size:
                run = self._read(member, upto, min(RUN, size - upto))
                upto, crc = upto + len(run), isal_zlib.crc32(run, crc)
                yield b""
        finally:
            self._learned(member, upto, crc)

    def _learned(self, member: int, upto: int, crc: int) -> None:
        if upto == self._found[member].size:
            self._places.crcs[member] = crc
        if upto:
            self._checksums.learn(self._found[member].identity, upto, crc)

    def _read(self, member: int, offset: int, length: int) -> bytes:
        """`length` bytes of the member's file, proven to be of what was listed."""
        if self._open is None or self._open[0] != member:
            self._close_file()
            self._open = (member, self._folder.open(self._found[member]))
        fd = self._open[1]
        run = os.pread(fd, length, offset)
        check(fd, self._found[member])
        if len(run) != length:
            raise Changed("it was cut short")
        return run

    def _close_file(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None


def _planned(index: int, name: str, found: Found) -> Planned:
    mtime = found.identity.mtime_ns // _SECOND
    return Planned(index, f"{name}/" if found.folder else name, mtime, found.size, None)


def _report(unreadable: Sequence[str]) -> bytes:
    """Return the report of what the archive lacks; a name that is no UTF-8 has half surrogates, as JSON escapes."""
    why = {"code": "unreadable", "message": "the gateway may not read it"}
    return json.dumps({"skipped": [{"name": name, **why} for name in unreadable]}, indent=2).encode()


def _digest(listing: Sequence[Found], report: bytes) -> str:
    """Return what the archive's bytes follow from: names, sizes, times, the report, and this version of the rules."""
    digest = hashlib.sha256(b"folder 1")
    for found in listing:
        size = -1 if found.folder else found.size
        digest.update(b"%b\0%d %d\0" % (os.fsencode(found.name), size, found.identity.mtime_ns))
    digest.update(report)
    return digest.hexdigest()[:32]
