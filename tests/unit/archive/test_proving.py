"""What an earlier life left is compared with its CRC once, however many readers wait for it."""

import asyncio
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest

from streamzip.archive.filling import Filling
from streamzip.archive.places import Places
from streamzip.archive.proving import prove_part
from streamzip.spool.extents import Extent, Extents
from streamzip.spool.journal import Drop
from streamzip.zip.layout import Planned, freeze


class DamagedSpool:
    """A spool whose only extent does not agree with its CRC; it finds that out when it is let."""

    def __init__(self, extents: Extents) -> None:
        self.extents = extents
        self.sealed = False
        self.let = Event()
        self.begun = Event()
        self.proofs = 0

    def prove(self, part: int, at: int) -> Drop:
        """Called in a thread."""
        self.proofs += 1
        self.begun.set()
        assert self.let.wait(10)
        return Drop(part, 0)

    def drop(self, drop: Drop) -> None:
        """Called in the loop."""
        self.extents.drop(drop.part, drop.keep)


@pytest.fixture
def filling() -> Iterator[SimpleNamespace]:
    """As much of a Filling as a proof takes: one part of 100 bytes, left by an earlier life."""
    extents = Extents(array("q", [100]))
    extents.commit(Extent(0, 0, 100, 0), trusted=False)
    places = Places(freeze([Planned(0, "file", None, 100, None)], frozen_at=0, compressor=""))
    with ThreadPoolExecutor(2) as pool:
        yield SimpleNamespace(
            extents=extents,
            places=places,
            spool=DamagedSpool(extents),
            works=SimpleNamespace(pool=pool),
            proofs={},
            journalled=lambda: None,
            replaceable=lambda _: True,
        )


async def test_a_second_proof_does_not_drop_what_is_pulled_after_the_first(filling: SimpleNamespace) -> None:
    """Two readers found damage at once, and the later one dropped the bytes that were being pulled to mend it."""
    proofs = [asyncio.create_task(prove_part(cast(Filling, filling), 0)) for _ in range(2)]
    await asyncio.sleep(0)
    filling.spool.let.set()
    await asyncio.wait(proofs, return_when=asyncio.FIRST_COMPLETED)
    filling.extents.grow(0, 10)  # the pull that mends it has begun
    await asyncio.gather(*proofs)
    assert filling.extents.filled[0] == 10
    assert filling.spool.proofs == 1
    assert filling.proofs == {}


async def test_a_proof_goes_on_when_one_of_its_readers_leaves(filling: SimpleNamespace) -> None:
    """The reader who leaves does not take the comparison away from those who stay."""
    staying, leaving = (asyncio.create_task(prove_part(cast(Filling, filling), 0)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    filling.spool.let.set()
    await staying
    assert filling.extents.committed[0] == 0
    assert filling.spool.proofs == 1


async def test_a_proof_that_another_process_has_overtaken_drops_nothing(filling: SimpleNamespace) -> None:
    """The part was dropped and pulled again elsewhere while it was being compared here: what is there now is right."""
    proof = asyncio.create_task(prove_part(cast(Filling, filling), 0))
    await asyncio.to_thread(filling.spool.begun.wait, 10)
    filling.extents.drop(0, 0)
    filling.extents.commit(Extent(0, 0, 100, 1), trusted=True)
    filling.spool.let.set()
    await proof
    assert (filling.extents.done[0], filling.extents.proven[0]) == (1, 100)
