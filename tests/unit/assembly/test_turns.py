"""A part's lock says that nobody pulls it: when it goes, what was pulled under it must be there for others to see."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from streamzip.assembly.archive import Archive
from streamzip.assembly.kept import KeptBodies, KeptLimit
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.part_writer import PartWriter
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.turns import Turns
from streamzip.manifest.model import Entry
from streamzip.origins.pull import Tries
from streamzip.spool.journal import Extent
from streamzip.zip.layout import Planned, freeze
from streamzip.zip.offsets import Offsets


class Told:
    """As much of an archive as taking a part under its lock needs; it notes what happens, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.ledger = Ledger(Offsets(freeze([Planned(0, "file", None, 100, None)], frozen_at=0, compressor="")))
        self.ledger.apply(Extent(0, 0, 10, 0), trusted=False)  # by a process that is gone
        self.spool = SimpleNamespace(claim=lambda _: True)

    async def prove(self, part: int) -> None:
        self.happened.append("proved")

    def follow(self) -> None:
        self.happened.append("followed")

    def check_all_there(self) -> None:
        """Nothing is."""

    def give_back(self, part: int) -> None:
        self.happened.append(f"gave {part} back")


@pytest.mark.parametrize("failure", [None, OSError("broke"), asyncio.CancelledError()])
async def test_part_is_looked_for_after_its_lock_is_had_and_given_back_whatever_ends_its_pull(
    failure: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for before, it could have been pulled by another process in between."""
    told = Told()

    async def write(_: object) -> None:
        told.happened.append("pulled")
        if failure is not None:
            raise failure

    monkeypatch.setattr(PartWriter, "write", write)
    turns = Turns(cast(Archive, told), cast(Pulling, None), KeptBodies(KeptLimit()))
    taking = turns._under_lock(told.ledger.offsets.part(0), cast(Entry, None), Tries(1))
    if failure is None:
        assert await taking
    else:
        with pytest.raises(type(failure)):
            await taking
    assert told.happened == ["followed", "proved", "pulled", "gave 0 back"]
