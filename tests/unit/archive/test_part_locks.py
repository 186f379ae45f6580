"""A part's lock says that nobody pulls it: when it goes, what was pulled under it must be there for others to see."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from streamzip.archive import writing
from streamzip.archive.filling import Filling


class Told:
    """As much of a Filling as taking a part under its lock needs; it notes what happens, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.spool = SimpleNamespace(claim=lambda _: True)
        self.extents = SimpleNamespace(done=[0], proven=[0], committed=[0])
        self.places = SimpleNamespace(part=lambda number: number)

    def follow(self) -> None:
        self.happened.append("followed")

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

    monkeypatch.setattr(writing._PartWriter, "write", write)
    if failure is None:
        assert await writing._under_lock(cast(Filling, told), 0)
    else:
        with pytest.raises(type(failure)):
            await writing._under_lock(cast(Filling, told), 0)
    assert told.happened == ["followed", "pulled", "gave 0 back"]
