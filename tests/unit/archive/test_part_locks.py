"""A part's lock says that nobody pulls it: when it goes, what was pulled under it must be there for others to see."""

from types import SimpleNamespace
from typing import cast

import pytest

from streamzip.archive import writing
from streamzip.archive.filling import Filling


class Told:
    """As much of a Filling as taking a part under its lock needs; it notes what happens, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        locks = SimpleNamespace(try_exclusive=lambda _: True, release=lambda _: self.happened.append("released"))
        self.spool = SimpleNamespace(locks=locks)
        self.extents = SimpleNamespace(done=[0], proven=[0], committed=[0])
        self.places = SimpleNamespace(part=lambda number: number)

    def follow(self) -> None:
        self.happened.append("followed")

    def flush(self) -> None:
        self.happened.append("listed")


@pytest.mark.parametrize("failure", [None, OSError("broke")], ids=["whole", "broken off"])
async def test_what_was_pulled_is_listed_before_the_parts_lock_goes(
    failure: OSError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed a turn of the loop later, another process took the lock, found nothing, and pulled the part again: 12
    pulls of 8 parts with fifty readers over two workers.
    """
    told = Told()

    async def write(_: object) -> None:
        told.happened.append("pulled")
        if failure is not None:
            raise failure

    monkeypatch.setattr(writing._PartWriter, "write", write)
    if failure is None:
        assert await writing._under_lock(cast(Filling, told), 0)
    else:
        with pytest.raises(OSError, match="broke"):
            await writing._under_lock(cast(Filling, told), 0)
    assert told.happened == ["followed", "pulled", "listed", "released"]
