"""What an earlier process left is compared with its CRC once, however many readers wait for it."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from streamzip.assembly.ledger import Ledger
from streamzip.assembly.proof import Proofs
from streamzip.errors import Stale
from streamzip.spool.fake import FakeSpool
from streamzip.spool.journal import Drop, Extent
from streamzip.zip.layout import Planned, freeze
from streamzip.zip.offsets import Offsets


class DamagedSpool(FakeSpool):
    """A spool whose only extent does not agree with its CRC; it finds that out when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = Event()
        self.begun = Event()
        self.proofs = 0

    def disagrees(self, extents: Sequence[Extent], at: int) -> Extent | None:
        """Called in a thread."""
        self.proofs += 1
        self.begun.set()
        assert self.let.wait(10)
        return extents[0]


@dataclass
class Site:
    """One part of 100 bytes, left by an earlier process."""

    ledger: Ledger
    spool: DamagedSpool
    proofs: Proofs


@pytest.fixture
def site() -> Iterator[Site]:
    ledger = Ledger(Offsets(freeze([Planned(0, "file", None, 100, None)], frozen_at=0, compressor="")))
    ledger.apply(Extent(0, 0, 100, 0), trusted=False)
    spool = DamagedSpool()

    def drop(part: int, keep: int) -> None:
        ledger.proved(part, keep)
        ledger.apply(Drop(part, keep), trusted=True)

    with ThreadPoolExecutor(2) as pool:
        yield Site(ledger, spool, Proofs(ledger, spool, pool, drop))


async def test_a_second_proof_does_not_drop_what_is_pulled_after_the_first(site: Site) -> None:
    """Two readers found damage at once, and the later one dropped the bytes that were being pulled to mend it."""
    proofs = [asyncio.create_task(site.proofs.part(0)) for _ in range(2)]
    await asyncio.sleep(0)
    site.spool.let.set()
    await asyncio.wait(proofs, return_when=asyncio.FIRST_COMPLETED)
    site.ledger.landed(0, 10)  # the pull that mends it has begun
    await asyncio.gather(*proofs)
    assert site.ledger.extents.filled[0] == 10
    assert site.spool.proofs == 1


async def test_a_part_may_be_proven_again_after_a_proof_has_ended(site: Site) -> None:
    """Nothing of a comparison that is over stands in the way of the next one."""
    site.spool.let.set()
    await site.proofs.part(0)
    site.ledger.apply(Extent(0, 0, 100, 1), trusted=False)
    await site.proofs.part(0)
    assert site.spool.proofs == 2


async def test_a_proof_goes_on_when_one_of_its_readers_leaves(site: Site) -> None:
    """The reader who leaves does not take the comparison away from those who stay."""
    staying, leaving = (asyncio.create_task(site.proofs.part(0)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    site.spool.let.set()
    await staying
    assert site.ledger.extents.committed[0] == 0
    assert site.spool.proofs == 1


async def test_a_proof_that_another_process_has_overtaken_drops_nothing(site: Site) -> None:
    """The part was dropped and pulled again elsewhere while it was being compared here: what is there now is right."""
    proof = asyncio.create_task(site.proofs.part(0))
    await asyncio.to_thread(site.spool.begun.wait, 10)
    site.ledger.apply(Drop(0, 0), trusted=True)
    site.ledger.apply(Extent(0, 0, 100, 1), trusted=True)
    site.spool.let.set()
    await proof
    assert (site.ledger.extents.done[0], site.ledger.readable(0)) == (1, 100)


async def test_damage_to_what_was_given_out_is_not_mended_with_what_may_differ(site: Site) -> None:
    """Without a strong validator nobody knows whether what is pulled again is the same: readers would get a splice."""
    site.ledger.gave_out()
    site.spool.let.set()
    with pytest.raises(Stale, match="file is damaged here"):
        await site.proofs.part(0)
    assert (site.ledger.readable(0), site.ledger.extents.committed[0]) == (0, 100)
