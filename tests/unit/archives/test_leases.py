"""What is noted before bytes are given out, and what comes of it where the store takes no note."""

from typing import Any, cast

import pytest

from streamzip.archives.events import RecordedEvents
from streamzip.archives.leases import Leases
from streamzip.archives.others import NoOtherNodes
from streamzip.errors import AskedAnew, Mislearned, NotReady
from streamzip.store.rows import ArchiveRow
from streamzip.store.states import ArchiveState
from streamzip.zip.layout import Layout, Planned, freeze


class StoreAway(RecordedEvents):
    """Events of a store that takes nothing while it is `away`."""

    away = True

    async def released(self, row: ArchiveRow, layout: Layout, *, kept: bool) -> bool:
        """See Events."""
        if self.away:
            raise NotReady("The store cannot be used now; try again.", code="store_unavailable", retry_after=5)
        return await super().released(row, layout, kept=kept)


class Table:
    """The table of open archives, as far as a failure touches it, and the loader."""

    def cut(self, hash: str, problem: Exception) -> None:
        """Do nothing: there is no reader."""

    def forget(self, hash: str) -> None:
        """Do nothing: nothing is remembered."""


def layout(validator: str) -> Layout:
    return freeze([Planned(0, "a", 10, None, None, validator=validator)], frozen_at=0, compressor="")


ROW = cast(Any, type("Row", (), {"hash": "ab", "rounds": 0, "state": ArchiveState.STANDING})())


async def test_bytes_that_prove_themselves_are_given_though_the_store_is_away() -> None:
    """From then on the layout stands: the origins are not asked anew, whatever the store says by then."""
    events, table = StoreAway(), cast(Any, Table())
    leases = Leases(table, table, events, NoOtherNodes())
    assert isinstance(await leases.failed(ROW, Mislearned("a: another file")), AskedAnew)
    assert await leases.released(ROW, layout('s"v1"'), kept=True)
    events.away = False
    failed = await leases.failed(ROW, Mislearned("a: another file"))
    assert isinstance(failed, Mislearned)
    assert events.told[-1] == ("failed", "ab", Mislearned.code, True)


async def test_bytes_that_only_the_copy_proves_are_not_given_while_the_store_is_away() -> None:
    """Another version could take their place once the copy is gone."""
    events, table = StoreAway(), cast(Any, Table())
    leases = Leases(table, table, events, NoOtherNodes())
    with pytest.raises(NotReady):
        await leases.released(ROW, layout(""), kept=True)
