"""How an archive is opened: the assembly that its readers share, over its copy; those of readers that pull alone, over
memory. What can no longer be proven is refused.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streamzip.assembly.assembly import Assembly, assemble
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reader import Reading
from streamzip.errors import NotReady, Stale
from streamzip.files.locks import InUse
from streamzip.logs import event
from streamzip.manifest.model import Manifest
from streamzip.spool.file import FileSpool
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.spool.port import Spool
from streamzip.spool.shelf import Shelf
from streamzip.zip.deflate import this_compressor
from streamzip.zip.layout import Layout
from streamzip.zip.offsets import Offsets

logger = logging.getLogger(__name__)


class MeasuredLayout(NamedTuple):
    """Figures of a layout, counted before its archive is opened. `offsets`: where its members lie, as far as that is
    known; `size`: its length, where all of it is; `digest`: see Layout.digest.
    """

    offsets: Offsets
    size: int | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """All that opening an archive takes: its verified manifest and layout, what earlier passes learned, what the probe
    kept. `foreign`: its bytes are another node's, so that a copy here may be of other versions of its files.
    `measured`: where that was counted when the layout was frozen.
    """

    hash: str
    manifest: Manifest
    layout: Layout
    learned: bytes | None
    released: bool
    created_at: float
    bodies: KeptBodies
    foreign: bool = False
    measured: MeasuredLayout | None = None


def measure(layout: Layout, learned: bytes | None = None) -> MeasuredLayout:
    """Return what is counted of the layout, with what an earlier pass `learned`. For a thread: 1.7 us a member."""
    offsets = _offsets(layout, learned)
    return MeasuredLayout(offsets, offsets.length if offsets.complete else None, layout.digest())


class Opener:
    """Puts archives together from their parts."""

    def __init__(self, shelf: Shelf, pulling: Pulling, reading: Reading, memory: Memory) -> None:
        self._shelf = shelf
        self._pulling = pulling
        self._reading = reading
        self._memory = memory

    def shared(
        self,
        stored: StoredArchive,
        measured: MeasuredLayout,
        *,
        kept: bool,
        on_all_there: Callable[[], None],
    ) -> tuple[Assembly, FileSpool | None]:
        """Return everybody's assembly, and the copy beneath it; where none is kept it only tells. For a thread.

        Raises NotReady where the copy is being removed; Stale; OSError from the disk.
        """
        if not kept:
            _refuse_other_compressor(stored.layout, sealed=False)
            window = MemorySpool(stored.hash, start=0, memory=self._memory)
            ledger = Ledger(
                measured.offsets
            )  # answers that nothing proves the same are not joined: they have no entity tag
            return self._assembly(stored, ledger, window, _nothing), None
        try:
            ledger, copy = self._copied(stored, measured)
        except _OtherVersionsError:
            event(logger, logging.WARNING, "copy_of_other_versions", archive=stored.hash)
            self._shelf.remove(stored.hash)
            ledger, copy = self._copied(stored, measured)
        return self._assembly(stored, ledger, copy, on_all_there), copy

    def _copied(self, stored: StoredArchive, measured: MeasuredLayout) -> tuple[Ledger, FileSpool]:
        try:
            copy = self._shelf.open(stored.hash, size=measured.size, layout=measured.digest)
        except InUse as error:
            raise NotReady("the archive's copy is being removed; ask again", retry_after=1) from error
        if copy.damaged or (copy.finished and not copy.sealed):
            # It is compared with its checksums as it is read, and what does not agree is pulled again.
            event(logger, logging.WARNING, "copy_altered", archive=stored.hash, journal_damaged=copy.damaged)
        try:
            _refuse_other_compressor(stored.layout, sealed=copy.sealed)
            ledger = Ledger(measured.offsets, released=stored.released, rebuilt=stored.learned is not None)
            for record in copy.replay():
                ledger.apply(record, trusted=False)
            if stored.foreign and _is_of_others(ledger):
                raise _OtherVersionsError
            _refuse_unprovable(ledger, copy)
            return ledger, copy
        except BaseException:
            copy.close()
            raise

    @contextlib.contextmanager
    def alone(self, stored: StoredArchive, shared: Assembly, copy: FileSpool | None, start: int) -> Iterator[Assembly]:
        """Give an assembly of one reader's own, in memory, that begins at archive offset `start`; its CRCs are
        everybody's.
        """
        with self._memory.shared():
            spool = MemorySpool(stored.hash, start=start, memory=self._memory, behind=copy)
            if copy is None:
                # Passes over an exact layout learn the same CRCs; over an open one each has its own frontier.
                known = shared.ledger.offsets
                ledger = Ledger(known if known.complete else _offsets(stored.layout, stored.learned))
                ledger.hear_of(shared.ledger)
                ledger.skip(start)
            else:
                ledger = shared.ledger.fork()
            try:
                yield self._assembly(stored, ledger, spool, _nothing)
            finally:
                spool.close()

    def _assembly(
        self, stored: StoredArchive, ledger: Ledger, spool: Spool, on_all_there: Callable[[], None]
    ) -> Assembly:
        return assemble(
            *(stored.manifest, ledger, spool, self._pulling, self._reading),
            bodies=stored.bodies,
            on_all_there=on_all_there,
        )


class _OtherVersionsError(Exception):
    """The copy has bytes of other versions of its files than those that another node has given out."""


def _is_of_others(ledger: Ledger) -> bool:
    """Return whether the copy has bytes of a member, without a strong validator, that are not known to be those that
    another node has given out.
    """
    for member in range(ledger.layout.members):
        begun = any(map(ledger.extents.committed.__getitem__, ledger.offsets.parts_of(member)))
        if not begun or ledger.layout.validators[member].startswith("s"):
            continue
        if not ledger.done(member) or ledger.crc_of(member) != ledger.offsets.crcs[member]:
            return True
    return False


def _nothing() -> None:
    """Finish nothing: no copy is kept."""


def _offsets(layout: Layout, learned: bytes | None) -> Offsets:
    offsets = Offsets(layout)
    if learned is not None:
        offsets.recall(learned)
    return offsets


def _refuse_other_compressor(layout: Layout, *, sealed: bool) -> None:
    """Raise where another release of the compressor has written: ours gives other bytes, and only a finished copy can
    be sent.
    """
    if layout.compressor and not sealed and layout.compressor != this_compressor():
        raise Stale("the archive was begun with another compressor; create it anew")


def _refuse_unprovable(ledger: Ledger, copy: FileSpool) -> None:
    """Raise where bytes without a strong validator were given out, and what proved them is lost: nothing can tell
    whether new ones would match.
    """
    if not ledger.released or not (copy.blank or copy.damaged or copy.rebooted):
        return
    for member in range(ledger.layout.members):
        if not ledger.done(member) and not ledger.replaceable(member):
            raise Stale("what was given out of this archive can no longer be proven; create it anew")
