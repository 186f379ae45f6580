"""How an archive is opened: the filling that its readers share, over its copy; those of readers that pull alone, over
memory. What can no longer be proven is refused.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamzip.archive.filling import Filling, Works, part_lengths
from streamzip.archive.places import Places
from streamzip.archive.writing import write_part
from streamzip.errors import NotReady, Stale
from streamzip.files.locks import InUse
from streamzip.manifest.model import Manifest
from streamzip.spool.base import Spooling
from streamzip.spool.file import FileSpool
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.spool.shelf import Shelf
from streamzip.zip.deflate import this_compressor
from streamzip.zip.layout import UNKNOWN, Layout


@dataclass(frozen=True, slots=True)
class Frozen:
    """All that opening an archive takes: its verified manifest and layout, what earlier passes learned, what the probe
    kept.
    """

    hash: str
    manifest: Manifest
    layout: Layout
    learned: bytes | None
    released: bool
    bodies: dict[int, bytes] = field(default_factory=dict)


def measured(frozen: Frozen) -> tuple[Places, int | None]:
    """Where its members lie, as far as that is known, and the archive's length, where all of it is. For a thread."""
    places = _places(frozen)
    return places, places.length if places.complete else None


class Opener:
    """Makes fillings."""

    def __init__(self, shelf: Shelf, works: Works, memory: Memory) -> None:
        self._shelf = shelf
        self._works = works
        self._memory = memory

    def shared(
        self, frozen: Frozen, places: Places, size: int | None, *, kept: bool
    ) -> tuple[Filling, FileSpool | None]:
        """Everybody's filling, and the copy beneath it; where none is kept it only tells. For a thread.

        Raises NotReady where the copy is being removed; Stale; OSError from the disk.
        """
        if not kept:
            _refuse_other_compressor(frozen.layout, sealed=False)
            window = MemorySpool(frozen.hash, lengths=part_lengths(places), start=0, memory=self._memory)
            return _filling(frozen, places, window, self._works), None
        try:
            digest = frozen.layout.digest()
            copy = self._shelf.open(frozen.hash, lengths=part_lengths(places), size=size, layout=digest)
        except InUse as error:
            raise NotReady("the archive's copy is being removed; ask again", retry_after=1) from error
        try:
            _refuse_other_compressor(frozen.layout, sealed=copy.sealed)
            filling = _filling(frozen, places, copy, self._works)
            _refuse_unprovable(filling, copy)
        except BaseException:
            copy.close()
            raise
        return filling, copy

    @contextlib.contextmanager
    def alone(self, frozen: Frozen, shared: Filling, copy: FileSpool | None, start: int) -> Iterator[Filling]:
        """A filling of one reader's own, in memory, that begins at archive offset `start`; its CRCs are everybody's."""
        # Passes over an exact layout learn the same places and CRCs; over an open one each has its own frontier.
        places = shared.places if shared.places.complete else _places(frozen)
        with self._memory.shared():
            spool = MemorySpool(
                frozen.hash, lengths=part_lengths(places), start=start, memory=self._memory, behind=copy
            )
            filling = _filling(frozen, places, spool, self._works)
            if copy is None:
                _assume(filling, start)
            else:
                filling.go_on_from(shared)
            try:
                yield filling
            finally:
                spool.close()


def _filling(frozen: Frozen, places: Places, spool: Spooling, works: Works) -> Filling:
    return Filling(
        manifest=frozen.manifest,
        layout=frozen.layout,
        places=places,
        spool=spool,
        works=works,
        write_part=write_part,
        bodies=frozen.bodies,
        released=frozen.released,
        rebuilt=frozen.learned is not None and isinstance(spool, FileSpool),
    )


def _places(frozen: Frozen) -> Places:
    places = Places(frozen.layout)
    if frozen.learned is not None:
        places.recall(frozen.learned)
    return places


def _assume(filling: Filling, start: int) -> None:
    """A reader that begins at `start` needs nothing before it of members whose CRC is known, and learns the others'
    CRCs.
    """
    places = filling.places
    if not places.complete:
        return
    for member in range(filling.layout.members):
        if places.offset(member) >= start:
            return
        if places.crcs[member] == UNKNOWN:
            continue
        if places.end(member) <= start:
            filling.settled[member] = 1
        filling.assumed.add(member)
        begins = places.bytes_start(member)
        for number in places.parts_of(member):
            if begins + places.part(number).start + filling.extents.lengths[number] <= start:
                filling.extents.assume(number)


def _refuse_other_compressor(layout: Layout, *, sealed: bool) -> None:
    """What another release of the compressor writes has other bytes; only a finished copy can still be served."""
    if layout.compressor and not sealed and layout.compressor != this_compressor():
        raise Stale("the archive was begun with another compressor; create it anew")


def _refuse_unprovable(filling: Filling, spool: FileSpool) -> None:
    """Bytes without a strong validator were given out, and what proved them is lost: nothing can tell whether new ones
    would match.
    """
    if not (spool.blank or spool.damaged or spool.rebooted):
        return
    for member in range(filling.layout.members):
        missing = any(not spool.extents.done[number] for number in filling.places.parts_of(member))
        if missing and not filling.replaceable(member):
            raise Stale("what was given out of this archive can no longer be proven; create it anew")
